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
    retries: tries(2)
    conda:
        inherited
    envmodules:
        "openmpi/gcc/4.1.6",
        "anaconda3/2024.6",
    threads: 8
    resources:
        mem_mb=growing(822858, by=1.25, up_to=1000000),
        runtime=growing(3060, by=2.0, up_to=4320),
        nodes=6,
        tasks=70,
        mpi='srun --nodes=6 --ntasks=70 --cpus-per-task=8 "$socm_python" -I -S "$socm_usage" rank',
        tmp_dir='""',
        qos="medium",
        slurm_partition="cpu",
        slurm_account="simonsobs",
        constraint="cascade",
        slurm_extra="--ntasks-per-node=12 --exclusive",
    params:
        command=of_job("ml-mapmaking", "command"),
        observations=of_job("ml-mapmaking", "observations"),
        setup=of_job("ml-mapmaking", "setup"),
    message:
        "ml-mapmaking, log: {log}"
    shell:
        "{params.setup} && "
        "note_environment workflow/environments/ml-mapmaking.json {log:q} {output:q}; "
        "own_tmp_dir {resources.tmp_dir}; "
        "{resources.mpi} {params.command} > {log:q} 2>&1 && "
        "socm_jobs coverage workflow/jobs/ml-mapmaking.json '' {log:q} {output.coverage:q}"
