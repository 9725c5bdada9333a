# Map of 32 observations.
rule f150_ml_mapmaking:
    input:
        query="workflow/queries/f150-ml-mapmaking/all.txt",
        context="data/context.yaml",
        area="data/area.fits",
        preprocess_config="workflow/configs/preprocess.yaml",
    output:
        map=ensure("results/f150/pass1_sky_map.fits", non_empty=True),
        ivar=ensure("results/f150/sky_div.fits", non_empty=True),
        hits=ensure("results/f150/sky_hits.fits", non_empty=True),
        coverage="results/f150/coverage.json",
    log:
        "logs/f150-ml-mapmaking.log",
    benchmark:
        "benchmarks/f150-ml-mapmaking.tsv"
    conda:
        inherited
    threads: 2
    resources:
        mem_mb=2000,
        runtime=60,
        nodes=1,
        tasks=1,
        mpi="",
        tmp_dir='""',
    params:
        command=of_job("f150-ml-mapmaking", "command"),
        observations=of_job("f150-ml-mapmaking", "observations"),
    message:
        "f150-ml-mapmaking, log: {log}"
    shell:
        "note_environment workflow/environments/f150-ml-mapmaking.json {log:q} {output:q}; "
        "own_tmp_dir {resources.tmp_dir}; "
        "{resources.mpi} {params.command} > {log:q} 2>&1 && "
        "socm_jobs coverage workflow/jobs/f150-ml-mapmaking.json '' {log:q} {output.coverage:q}"
