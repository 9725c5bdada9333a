# Half differences of direction-tests.
rule direction_tests_null_maps:
    input:
        spec="workflow/nulls/direction-tests/direction-tests.json",
        map=lambda wildcards: JOBS["direction-tests-null-maps"][""]["inputs"]["map"],
        ivar=lambda wildcards: JOBS["direction-tests-null-maps"][""]["inputs"]["ivar"],
        hits=lambda wildcards: JOBS["direction-tests-null-maps"][""]["inputs"]["hits"],
        coverage=lambda wildcards: JOBS["direction-tests-null-maps"][""]["inputs"]["coverage"],
    output:
        summary="output_full/null_tests/direction-tests/summary.json",
    log:
        "logs/direction-tests-null-maps.log",
    benchmark:
        "benchmarks/direction-tests-null-maps.tsv"
    params:
        command=lambda wildcards: JOBS["direction-tests-null-maps"][""]["command"],
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: grown(4000, 1.5, attempt, 1000000),
        runtime=lambda wildcards, attempt: grown(30, 1.5, attempt, 60),
        nodes=1,
        tasks=1,
        mpi="",
        qos="test",
    message:
        "direction-tests-null-maps, log: {log}"
    shell:
        "{SOCM_NULL_MAPS} {params.command} > {log:q} 2>&1"
