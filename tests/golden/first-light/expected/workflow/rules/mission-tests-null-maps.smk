# Half differences of mission-tests, their spectra and PTEs.
rule mission_tests_null_maps:
    input:
        spec="workflow/nulls/mission-tests/mission-tests.json",
        map=of_job("mission-tests-null-maps", "inputs", "map"),
        ivar=of_job("mission-tests-null-maps", "inputs", "ivar"),
        hits=of_job("mission-tests-null-maps", "inputs", "hits"),
        coverage=of_job("mission-tests-null-maps", "inputs", "coverage"),
    output:
        summary="results/null/mission-tests/summary.json",
        pte="results/null/mission-tests/pte.json",
        spectra="results/null/mission-tests/spectra.npz",
    log:
        "logs/mission-tests-null-maps.log",
    benchmark:
        "benchmarks/mission-tests-null-maps.tsv"
    conda:
        inherited
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
        nodes=1,
        tasks=1,
        mpi="",
    params:
        command=of_job("mission-tests-null-maps", "command"),
    message:
        "mission-tests-null-maps, log: {log}"
    shell:
        "note_environment workflow/environments/mission-tests-null-maps.json {log:q} {output:q}; "
        "socm_nulls --threads {threads} {params.command} > {log:q} 2>&1"
