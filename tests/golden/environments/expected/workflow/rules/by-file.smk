# Map of 81 observations.
rule by_file:
    input:
        query="workflow/queries/by-file/all.txt",
        context="data/context.yaml",
        area="data/area.fits",
        preprocess_config="data/preprocess.yaml",
    output:
        map=ensure("results/by-file/pass1_sky_map.fits", non_empty=True),
        ivar=ensure("results/by-file/sky_div.fits", non_empty=True),
        hits=ensure("results/by-file/sky_hits.fits", non_empty=True),
        coverage="results/by-file/coverage.json",
    log:
        "logs/by-file.log",
    benchmark:
        "benchmarks/by-file.tsv"
    conda:
        "../envs/mapmaking.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
        nodes=1,
        tasks=1,
        mpi="",
        tmp_dir='""',
    params:
        command=of_job("by-file", "command"),
        observations=of_job("by-file", "observations"),
    message:
        "by-file, log: {log}"
    shell:
        "note_environment workflow/environments/by-file.json {log:q} {output:q}; "
        "own_tmp_dir {resources.tmp_dir}; "
        "{resources.mpi} {params.command} > {log:q} 2>&1 && "
        "socm_jobs coverage workflow/jobs/by-file.json '' {log:q} {output.coverage:q}"
