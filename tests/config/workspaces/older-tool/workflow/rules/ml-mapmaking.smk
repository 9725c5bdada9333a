# Map of 8 observations.
rule ml_mapmaking:
    input:
        query="workflow/queries/ml-mapmaking/all.txt",
        context="data/context.yaml",
        area="data/area.fits",
        preprocess_config="workflow/configs/preprocess.yaml",
    output:
        map=ensure("output_full/pass2_sky_map.fits", non_empty=True),
        ivar=ensure("output_full/sky_div.fits", non_empty=True),
        hits=ensure("output_full/sky_hits.fits", non_empty=True),
        coverage="output_full/coverage.json",
    log:
        "logs/ml-mapmaking.log",
    benchmark:
        "benchmarks/ml-mapmaking.tsv"
    params:
        command=lambda wildcards: JOBS["ml-mapmaking"][""]["command"],
        observations=lambda wildcards: JOBS["ml-mapmaking"][""]["observations"],
    threads: 8
    resources:
        mem_mb=lambda wildcards, attempt: grown(80000, 1.5, attempt, 1000000),
        runtime=lambda wildcards, attempt: grown(1334, 1.5, attempt, 1440),
        nodes=1,
        tasks=4,
        mpi="srun --nodes=1 --ntasks=4 --cpus-per-task=8",
        tmp_dir="\"\"",
        qos="short",
    message:
        "ml-mapmaking, log: {log}"
    shell:
        "{SOCM_TMP_DIR} {resources.tmp_dir}; "
        "{resources.mpi} {params.command} > {log:q} 2>&1 && "
        "{SOCM_COVERAGE} workflow/jobs/ml-mapmaking.json '' {log:q} {output.coverage:q}"
