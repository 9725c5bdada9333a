# Map of 81 observations.
rule by_modules:
    input:
        query="workflow/queries/by-modules/all.txt",
        context="data/context.yaml",
        area="data/area.fits",
        preprocess_config="data/preprocess.yaml",
        setup="envs/setup.sh",
    output:
        map=ensure("results/by-modules/pass1_sky_map.fits", non_empty=True),
        ivar=ensure("results/by-modules/sky_div.fits", non_empty=True),
        hits=ensure("results/by-modules/sky_hits.fits", non_empty=True),
        coverage="results/by-modules/coverage.json",
    log:
        "logs/by-modules.log",
    benchmark:
        "benchmarks/by-modules.tsv"
    conda:
        inherited
    envmodules:
        "openmpi/gcc/4.1.6",
        "anaconda3/2024.6",
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
        nodes=1,
        tasks=1,
        mpi="",
        tmp_dir='""',
    params:
        command=of_job("by-modules", "command"),
        observations=of_job("by-modules", "observations"),
        setup=of_job("by-modules", "setup"),
    message:
        "by-modules, log: {log}"
    shell:
        "{params.setup} && "
        "note_environment workflow/environments/by-modules.json {log:q} {output:q}; "
        "own_tmp_dir {resources.tmp_dir}; "
        "{resources.mpi} {params.command} > {log:q} 2>&1 && "
        "socm_jobs coverage workflow/jobs/by-modules.json '' {log:q} {output.coverage:q}"
