# Map of 100 observations.
rule filterbin_mapmaking:
    input:
        query="workflow/queries/filterbin-mapmaking/all.txt",
        account=of_job("filterbin-mapmaking", "inputs", "account"),
    output:
        map=ensure("results/all/map.fits", non_empty=True),
        ivar=ensure("results/all/ivar.fits", non_empty=True),
        hits=ensure("results/all/hits.fits", non_empty=True),
        coverage="results/all/coverage.json",
    log:
        "logs/filterbin-mapmaking.log",
    benchmark:
        "benchmarks/filterbin-mapmaking.tsv"
    conda:
        inherited
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
        nodes=1,
        tasks=1,
        mpi="",
    params:
        command=of_job("filterbin-mapmaking", "command"),
        observations=of_job("filterbin-mapmaking", "observations"),
    message:
        "filterbin-mapmaking, log: {log}"
    shell:
        "note_environment workflow/environments/filterbin-mapmaking.json {log:q} {output:q}; "
        "socm_jobs sum-atomic workflow/jobs/filterbin-mapmaking.json '' {params.command} > {log:q} 2>&1 && "
        "socm_jobs coverage workflow/jobs/filterbin-mapmaking.json '' {log:q} {output.coverage:q}"
