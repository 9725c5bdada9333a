# Half differences of mission-tests.
rule mission_tests_null_maps:
    input:
        spec="workflow/nulls/mission-tests/{job}/mission-tests.json",
        map=lambda wildcards: JOBS["mission-tests-null-maps"][wildcards.job]["inputs"]["map"],
        ivar=lambda wildcards: JOBS["mission-tests-null-maps"][wildcards.job]["inputs"]["ivar"],
        hits=lambda wildcards: JOBS["mission-tests-null-maps"][wildcards.job]["inputs"]["hits"],
        coverage=lambda wildcards: JOBS["mission-tests-null-maps"][wildcards.job]["inputs"]["coverage"],
    output:
        summary="results/nulls/{job}/mission-tests/summary.json",
    log:
        "logs/mission-tests-null-maps/{job}.log",
    benchmark:
        "benchmarks/mission-tests-null-maps/{job}.tsv"
    wildcard_constraints:
        job=r"f\d+",
    params:
        command=lambda wildcards: JOBS["mission-tests-null-maps"][wildcards.job]["command"],
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
        nodes=1,
        tasks=1,
        mpi="",
    message:
        "mission-tests-null-maps {wildcards.job}, log: {log}"
    shell:
        "{SOCM_NULL_MAPS} {params.command} > {log:q} 2>&1"
