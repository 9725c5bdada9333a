# Map of 33 observations.
rule mapmaking:
    input:
        query="workflow/queries/mapmaking/all.txt",
        context="data/context.yaml",
        area="data/area.fits",
        preprocess_config="workflow/configs/preprocess.yaml",
        after=of_job("mapmaking", "inputs", "after"),
    output:
        map=ensure("results/second/pass1_sky_map.fits", non_empty=True),
        ivar=ensure("results/second/sky_div.fits", non_empty=True),
        hits=ensure("results/second/sky_hits.fits", non_empty=True),
        coverage="results/second/coverage.json",
    log:
        "logs/mapmaking.log",
    benchmark:
        "benchmarks/mapmaking.tsv"
    conda:
        inherited
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
        nodes=1,
        tasks=1,
        mpi="",
        tmp_dir='""',
    params:
        command=of_job("mapmaking", "command"),
        observations=of_job("mapmaking", "observations"),
    message:
        "mapmaking, log: {log}"
    shell:
        "note_environment workflow/environments/mapmaking.json {log:q} {output:q}; "
        "own_tmp_dir {resources.tmp_dir}; "
        "{resources.mpi} {params.command} > {log:q} 2>&1 && "
        "socm_jobs coverage workflow/jobs/mapmaking.json '' {log:q} {output.coverage:q}"
