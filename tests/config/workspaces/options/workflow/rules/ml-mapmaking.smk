# Map of 33 observations.
rule ml_mapmaking:
    input:
        query="workflow/queries/ml-mapmaking/all.txt",
        context="data/context.yaml",
        area="data/area.fits",
        preprocess_config="workflow/configs/preprocess.yaml",
    output:
        map=ensure("results/pass2_sky_map.fits", non_empty=True),
        ivar=ensure("results/sky_div.fits", non_empty=True),
        hits=ensure("results/sky_hits.fits", non_empty=True),
        coverage="results/coverage.json",
    log:
        "logs/ml-mapmaking.log",
    benchmark:
        "benchmarks/ml-mapmaking.tsv"
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
        command=of_job("ml-mapmaking", "command"),
        observations=of_job("ml-mapmaking", "observations"),
    message:
        "ml-mapmaking, log: {log}"
    shell:
        "note_environment workflow/environments/ml-mapmaking.json {log:q} {output:q}; "
        "own_tmp_dir {resources.tmp_dir}; "
        "{resources.mpi} {params.command} > {log:q} 2>&1 && "
        "socm_jobs coverage workflow/jobs/ml-mapmaking.json '' {log:q} {output.coverage:q}"
