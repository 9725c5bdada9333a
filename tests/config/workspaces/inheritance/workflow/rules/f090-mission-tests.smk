# Maps of the splits of mission-tests.
rule f090_mission_tests:
    input:
        query="workflow/splits/f090-mission-tests/{job}.txt",
        context="data/context.yaml",
        area="data/area.fits",
        preprocess_config="workflow/configs/preprocess.yaml",
        after=of_job("f090-mission-tests", "inputs", "after"),
    output:
        map=ensure("results/f090-nulls/{job}/pass1_sky_map.fits", non_empty=True),
        ivar=ensure("results/f090-nulls/{job}/sky_div.fits", non_empty=True),
        hits=ensure("results/f090-nulls/{job}/sky_hits.fits", non_empty=True),
        coverage="results/f090-nulls/{job}/coverage.json",
    log:
        "logs/f090-mission-tests/{job}.log",
    benchmark:
        "benchmarks/f090-mission-tests/{job}.tsv"
    wildcard_constraints:
        job=r"mission_split_\d+",
    conda:
        inherited
    threads: 2
    resources:
        mem_mb=3000,
        runtime=90,
        nodes=1,
        tasks=1,
        mpi="",
        tmp_dir='""',
    params:
        command=of_job("f090-mission-tests", "command"),
        observations=of_job("f090-mission-tests", "observations"),
    message:
        "f090-mission-tests {wildcards.job}, log: {log}"
    shell:
        "note_environment workflow/environments/f090-mission-tests.json {log:q} {output:q}; "
        "own_tmp_dir {resources.tmp_dir}; "
        "{resources.mpi} {params.command} > {log:q} 2>&1 && "
        "socm_jobs coverage workflow/jobs/f090-mission-tests.json {wildcards.job:q} {log:q} {output.coverage:q}"
