# Map of 101 observations.
rule deep:
    input:
        query="workflow/queries/deep/all.txt",
        context="data/context.yaml",
        area="data/area.fits",
        preprocess_config="data/preprocess.yaml",
    output:
        map=ensure("results/deep/pass1_sky_map.fits", non_empty=True),
        ivar=ensure("results/deep/sky_div.fits", non_empty=True),
        hits=ensure("results/deep/sky_hits.fits", non_empty=True),
        coverage="results/deep/coverage.json",
    log:
        "logs/deep.log",
    benchmark:
        "benchmarks/deep.tsv"
    conda:
        inherited
    threads: 8
    resources:
        mem_mb=growing(960000, by=1.5, up_to=1000000),
        runtime=growing(420, by=1.5, up_to=1440),
        nodes=5,
        tasks=70,
        mpi='srun --nodes=5 --ntasks=70 --cpus-per-task=8 "$socm_python" -I -S "$socm_usage" rank',
        tmp_dir='""',
        qos="short",
        slurm_account="simonsobs",
        slurm_extra="--ntasks-per-node=14",
    params:
        command=of_job("deep", "command"),
        observations=of_job("deep", "observations"),
    message:
        "deep, log: {log}"
    shell:
        "note_environment workflow/environments/deep.json {log:q} {output:q}; "
        "own_tmp_dir {resources.tmp_dir}; "
        "{resources.mpi} {params.command} > {log:q} 2>&1 && "
        "socm_jobs coverage workflow/jobs/deep.json '' {log:q} {output.coverage:q}"
