# Map of 81 observations.
rule by_name:
    input:
        query="workflow/queries/by-name/all.txt",
        context="data/context.yaml",
        area="data/area.fits",
        preprocess_config="data/preprocess.yaml",
    output:
        map=ensure("results/by-name/pass1_sky_map.fits", non_empty=True),
        ivar=ensure("results/by-name/sky_div.fits", non_empty=True),
        hits=ensure("results/by-name/sky_hits.fits", non_empty=True),
        coverage="results/by-name/coverage.json",
    log:
        "logs/by-name.log",
    benchmark:
        "benchmarks/by-name.tsv"
    conda:
        "sotodlib"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
        nodes=1,
        tasks=1,
        mpi="",
        tmp_dir='""',
    params:
        command=of_job("by-name", "command"),
        observations=of_job("by-name", "observations"),
    message:
        "by-name, log: {log}"
    shell:
        "note_environment workflow/environments/by-name.json {log:q} {output:q}; "
        "own_tmp_dir {resources.tmp_dir}; "
        "{resources.mpi} {params.command} > {log:q} 2>&1 && "
        "socm_jobs coverage workflow/jobs/by-name.json '' {log:q} {output.coverage:q}"
