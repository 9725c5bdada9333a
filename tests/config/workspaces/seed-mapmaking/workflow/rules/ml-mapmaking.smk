# Map of 1 observations.
rule ml_mapmaking:
    input:
        query="workflow/queries/ml-mapmaking/all.txt",
        context="data/context.yaml",
        area="data/area.fits",
        preprocess_config="workflow/configs/preprocess.yaml",
    output:
        map=ensure("results/output/pass1_sky_map.fits", non_empty=True),
        ivar=ensure("results/output/sky_div.fits", non_empty=True),
        hits=ensure("results/output/sky_hits.fits", non_empty=True),
        coverage="results/output/coverage.json",
    log:
        "logs/ml-mapmaking.log",
    benchmark:
        "benchmarks/ml-mapmaking.tsv"
    params:
        command=lambda wildcards: JOBS["ml-mapmaking"][""]["command"],
        observations=lambda wildcards: JOBS["ml-mapmaking"][""]["observations"],
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
        nodes=1,
        tasks=1,
        mpi="",
        tmp_dir="\"\"",
    message:
        "ml-mapmaking, log: {log}"
    shell:
        "{SOCM_TMP_DIR} {resources.tmp_dir}; "
        "{resources.mpi} {params.command} > {log:q} 2>&1 && "
        "{SOCM_COVERAGE} workflow/jobs/ml-mapmaking.json '' {log:q} {output.coverage:q}"
