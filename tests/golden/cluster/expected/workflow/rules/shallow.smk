# Map of 101 observations.
rule shallow:
    input:
        query="workflow/queries/shallow/all.txt",
        context="data/context.yaml",
        area="data/area.fits",
        preprocess_config="data/preprocess.yaml",
    output:
        map=ensure("results/shallow/pass1_sky_map.fits", non_empty=True),
        ivar=ensure("results/shallow/sky_div.fits", non_empty=True),
        hits=ensure("results/shallow/sky_hits.fits", non_empty=True),
        coverage="results/shallow/coverage.json",
    log:
        "logs/shallow.log",
    benchmark:
        "benchmarks/shallow.tsv"
    retries: tries(2)
    conda:
        inherited
    threads: 14
    resources:
        mem_mb=growing(120000, by=2.0, up_to=1000000),
        runtime=growing(240, by=1.5, up_to=1440),
        nodes=1,
        tasks=1,
        mpi="",
        tmp_dir='""',
        qos="short",
        slurm_extra="--exclusive",
    params:
        command=of_job("shallow", "command"),
        observations=of_job("shallow", "observations"),
    message:
        "shallow, log: {log}"
    shell:
        "note_environment workflow/environments/shallow.json {log:q} {output:q}; "
        "own_tmp_dir {resources.tmp_dir}; "
        "{resources.mpi} {params.command} > {log:q} 2>&1 && "
        "socm_jobs coverage workflow/jobs/shallow.json '' {log:q} {output.coverage:q}"
