# Half differences of mission-tests.
rule mission_tests_null_maps:
    input:
        spec="workflow/nulls/mission-tests/mission-tests.json",
        map=lambda wildcards: JOBS["mission-tests-null-maps"][""]["inputs"]["map"],
        ivar=lambda wildcards: JOBS["mission-tests-null-maps"][""]["inputs"]["ivar"],
        hits=lambda wildcards: JOBS["mission-tests-null-maps"][""]["inputs"]["hits"],
        coverage=lambda wildcards: JOBS["mission-tests-null-maps"][""]["inputs"]["coverage"],
    output:
        summary="results/mission-tests/summary.json",
    log:
        "logs/mission-tests-null-maps.log",
    benchmark:
        "benchmarks/mission-tests-null-maps.tsv"
    params:
        command=lambda wildcards: JOBS["mission-tests-null-maps"][""]["command"],
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
        nodes=1,
        tasks=1,
        mpi="",
    message:
        "mission-tests-null-maps, log: {log}"
    shell:
        "{SOCM_NULL_MAPS} {params.command} > {log:q} 2>&1"
