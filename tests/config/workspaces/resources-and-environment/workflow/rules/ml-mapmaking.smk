# Map of 33 observations.
rule ml_mapmaking:
    input:
        query="workflow/queries/ml-mapmaking/all.txt",
        context="data/context.yaml",
        area="data/area.fits",
        preprocess_config="workflow/configs/preprocess.yaml",
        setup="data/setup.sh",
    output:
        map=ensure("results/pass1_sky_map.fits", non_empty=True),
        ivar=ensure("results/sky_div.fits", non_empty=True),
        hits=ensure("results/sky_hits.fits", non_empty=True),
        coverage="results/coverage.json",
    log:
        "logs/ml-mapmaking.log",
    benchmark:
        "benchmarks/ml-mapmaking.tsv"
    params:
        command=lambda wildcards: JOBS["ml-mapmaking"][""]["command"],
        observations=lambda wildcards: JOBS["ml-mapmaking"][""]["observations"],
        setup=lambda wildcards: JOBS["ml-mapmaking"][""]["setup"],
    retries: tries(2)
    threads: 8
    resources:
        mem_mb=lambda wildcards, attempt: grown(822858, 1.25, attempt, 1000000),
        runtime=lambda wildcards, attempt: grown(3060, 2.0, attempt, 4320),
        nodes=6,
        tasks=70,
        mpi="srun --nodes=6 --ntasks=70 --cpus-per-task=8",
        tmp_dir="\"\"",
        qos="medium",
        slurm_partition="cpu",
        slurm_account="simonsobs",
        constraint="cascade",
        slurm_extra="--ntasks-per-node=12 --exclusive",
    envmodules:
        "openmpi/gcc/4.1.6",
        "anaconda3/2024.6",
    message:
        "ml-mapmaking, log: {log}"
    shell:
        "{params.setup} && "
        "{SOCM_TMP_DIR} {resources.tmp_dir}; "
        "{resources.mpi} {params.command} > {log:q} 2>&1 && "
        "{SOCM_COVERAGE} workflow/jobs/ml-mapmaking.json '' {log:q} {output.coverage:q}"
