# Half differences of wafer-tests.
rule wafer_tests_null_maps:
    input:
        spec="workflow/nulls/wafer-tests/wafer-tests.json",
        map=lambda wildcards: JOBS["wafer-tests-null-maps"][""]["inputs"]["map"],
        ivar=lambda wildcards: JOBS["wafer-tests-null-maps"][""]["inputs"]["ivar"],
        hits=lambda wildcards: JOBS["wafer-tests-null-maps"][""]["inputs"]["hits"],
        coverage=lambda wildcards: JOBS["wafer-tests-null-maps"][""]["inputs"]["coverage"],
    output:
        summary="results/wafer-tests/summary.json",
    log:
        "logs/wafer-tests-null-maps.log",
    benchmark:
        "benchmarks/wafer-tests-null-maps.tsv"
    params:
        command=lambda wildcards: JOBS["wafer-tests-null-maps"][""]["command"],
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
        nodes=1,
        tasks=1,
        mpi="",
    message:
        "wafer-tests-null-maps, log: {log}"
    shell:
        "{SOCM_NULL_MAPS} {params.command} > {log:q} 2>&1"
