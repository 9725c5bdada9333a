# Half differences of mission-tests.
rule nulls_f150_mission_tests_null_maps:
    input:
        spec="workflow/nulls/nulls-f150-mission-tests/mission-tests.json",
        map=lambda wildcards: JOBS["nulls-f150-mission-tests-null-maps"][""]["inputs"]["map"],
        ivar=lambda wildcards: JOBS["nulls-f150-mission-tests-null-maps"][""]["inputs"]["ivar"],
        hits=lambda wildcards: JOBS["nulls-f150-mission-tests-null-maps"][""]["inputs"]["hits"],
        coverage=lambda wildcards: JOBS["nulls-f150-mission-tests-null-maps"][""]["inputs"]["coverage"],
    output:
        summary="results/nulls-f150/mission-tests/summary.json",
    log:
        "logs/nulls-f150-mission-tests-null-maps.log",
    benchmark:
        "benchmarks/nulls-f150-mission-tests-null-maps.tsv"
    params:
        command=lambda wildcards: JOBS["nulls-f150-mission-tests-null-maps"][""]["command"],
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
        nodes=1,
        tasks=1,
        mpi="",
    message:
        "nulls-f150-mission-tests-null-maps, log: {log}"
    shell:
        "{SOCM_NULL_MAPS} {params.command} > {log:q} 2>&1"
