# Half differences of mission-tests.
rule f090_mission_tests_null_maps:
    input:
        spec="workflow/nulls/f090-mission-tests/mission-tests.json",
        map=lambda wildcards: JOBS["f090-mission-tests-null-maps"][""]["inputs"]["map"],
        ivar=lambda wildcards: JOBS["f090-mission-tests-null-maps"][""]["inputs"]["ivar"],
        hits=lambda wildcards: JOBS["f090-mission-tests-null-maps"][""]["inputs"]["hits"],
        coverage=lambda wildcards: JOBS["f090-mission-tests-null-maps"][""]["inputs"]["coverage"],
    output:
        summary="results/f090-nulls/mission-tests/summary.json",
    log:
        "logs/f090-mission-tests-null-maps.log",
    benchmark:
        "benchmarks/f090-mission-tests-null-maps.tsv"
    params:
        command=lambda wildcards: JOBS["f090-mission-tests-null-maps"][""]["command"],
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
        nodes=1,
        tasks=1,
        mpi="",
    message:
        "f090-mission-tests-null-maps, log: {log}"
    shell:
        "{SOCM_NULL_MAPS} {params.command} > {log:q} 2>&1"
