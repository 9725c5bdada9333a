# A map for each bands and wafer.
rule maps:
    input:
        query="workflow/queries/maps/{job}.txt",
        context="data/context.yaml",
        area="data/area.fits",
        preprocess_config="workflow/configs/preprocess.yaml",
    output:
        map=ensure("results/maps/{job}/pass1_sky_map.fits", non_empty=True),
        ivar=ensure("results/maps/{job}/sky_div.fits", non_empty=True),
        hits=ensure("results/maps/{job}/sky_hits.fits", non_empty=True),
        coverage="results/maps/{job}/coverage.json",
    log:
        "logs/maps/{job}.log",
    benchmark:
        "benchmarks/maps/{job}.tsv"
    wildcard_constraints:
        job=r"f\d+/ws\d+",
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
        command=of_job("maps", "command"),
        observations=of_job("maps", "observations"),
    message:
        "maps {wildcards.job}, log: {log}"
    shell:
        "note_environment workflow/environments/maps.json {log:q} {output:q}; "
        "own_tmp_dir {resources.tmp_dir}; "
        "{resources.mpi} {params.command} > {log:q} 2>&1 && "
        "socm_jobs coverage workflow/jobs/maps.json {wildcards.job:q} {log:q} {output.coverage:q}"
