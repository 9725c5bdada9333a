# Map of 33 observations.
rule preprocessing:
    input:
        query="workflow/queries/preprocessing/all.txt",
        context="data/context.yaml",
        area="data/area.fits",
        preprocess_config="workflow/configs/preprocess.yaml",
    output:
        map=ensure("results/first/pass1_sky_map.fits", non_empty=True),
        ivar=ensure("results/first/sky_div.fits", non_empty=True),
        hits=ensure("results/first/sky_hits.fits", non_empty=True),
        coverage="results/first/coverage.json",
    log:
        "logs/preprocessing.log",
    benchmark:
        "benchmarks/preprocessing.tsv"
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
        command=of_job("preprocessing", "command"),
        observations=of_job("preprocessing", "observations"),
    message:
        "preprocessing, log: {log}"
    shell:
        "note_environment workflow/environments/preprocessing.json {log:q} {output:q}; "
        "own_tmp_dir {resources.tmp_dir}; "
        "{resources.mpi} {params.command} > {log:q} 2>&1 && "
        "socm_jobs coverage workflow/jobs/preprocessing.json '' {log:q} {output.coverage:q}"
