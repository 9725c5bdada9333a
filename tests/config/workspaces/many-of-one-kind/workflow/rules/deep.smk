# Map of 33 observations.
rule deep:
    input:
        query="workflow/queries/deep/all.txt",
        context="data/context.yaml",
        area="data/area.fits",
        preprocess_config="workflow/configs/preprocess.yaml",
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
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
        nodes=1,
        tasks=1,
        mpi="",
        tmp_dir='""',
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
