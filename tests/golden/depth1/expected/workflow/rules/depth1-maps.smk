# Map of 102 observations.
rule depth1_maps:
    input:
        query="workflow/queries/depth1-maps/all.txt",
        context="data/context.yaml",
        area="data/area.fits",
        preprocess_config="data/preprocess.yaml",
        config="workflow/configs/depth1-maps/all.yaml",
    output:
        map=ensure("results/all/map.fits", non_empty=True),
        ivar=ensure("results/all/ivar.fits", non_empty=True),
        coverage="results/all/coverage.json",
        depth1=temp(directory("results/all/depth1")),
        catalogue="results/all/mapcat.db",
    log:
        "logs/depth1-maps.log",
    benchmark:
        "benchmarks/depth1-maps.tsv"
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
        command=of_job("depth1-maps", "command"),
        prepare=of_job("depth1-maps", "prepare"),
        observations=of_job("depth1-maps", "observations"),
    message:
        "depth1-maps, log: {log}"
    shell:
        "note_environment workflow/environments/depth1-maps.json {log:q} {output:q}; "
        "own_tmp_dir {resources.tmp_dir}; "
        "{params.prepare} > {log:q} 2>&1 && "
        "{resources.mpi} {params.command} > {log:q} 2>&1 && "
        "socm_jobs coadd workflow/jobs/depth1-maps.json '' >> {log:q} 2>&1 && "
        "socm_jobs coverage workflow/jobs/depth1-maps.json '' {log:q} {output.coverage:q}"
