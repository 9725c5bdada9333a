# Maps of the splits of mission-tests.
rule mission_tests:
    input:
        query="workflow/splits/mission-tests/{job}.txt",
        context="data/context.yaml",
        area="data/area.fits",
        preprocess_config="workflow/configs/preprocess.yaml",
    output:
        map=ensure("results/nulls/{job}/pass1_sky_map.fits", non_empty=True),
        ivar=ensure("results/nulls/{job}/sky_div.fits", non_empty=True),
        hits=ensure("results/nulls/{job}/sky_hits.fits", non_empty=True),
        coverage="results/nulls/{job}/coverage.json",
    log:
        "logs/mission-tests/{job}.log",
    benchmark:
        "benchmarks/mission-tests/{job}.tsv"
    wildcard_constraints:
        job=r"f\d+/mission_split_\d+",
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
        command=of_job("mission-tests", "command"),
        observations=of_job("mission-tests", "observations"),
    message:
        "mission-tests {wildcards.job}, log: {log}"
    shell:
        "note_environment workflow/environments/mission-tests.json {log:q} {output:q}; "
        "own_tmp_dir {resources.tmp_dir}; "
        "{resources.mpi} {params.command} > {log:q} 2>&1 && "
        "socm_jobs coverage workflow/jobs/mission-tests.json {wildcards.job:q} {log:q} {output.coverage:q}"
