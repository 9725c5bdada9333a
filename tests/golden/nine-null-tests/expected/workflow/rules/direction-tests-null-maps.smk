# Half differences of direction-tests, their spectra and PTEs.
rule direction_tests_null_maps:
    input:
        spec="workflow/nulls/direction-tests/direction-tests.json",
        map=of_job("direction-tests-null-maps", "inputs", "map"),
        ivar=of_job("direction-tests-null-maps", "inputs", "ivar"),
        hits=of_job("direction-tests-null-maps", "inputs", "hits"),
        coverage=of_job("direction-tests-null-maps", "inputs", "coverage"),
    output:
        summary="results/direction-tests/summary.json",
        pte="results/direction-tests/pte.json",
        spectra="results/direction-tests/spectra.npz",
    log:
        "logs/direction-tests-null-maps.log",
    benchmark:
        "benchmarks/direction-tests-null-maps.tsv"
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
        command=of_job("direction-tests-null-maps", "command"),
    message:
        "direction-tests-null-maps, log: {log}"
    shell:
        "note_environment workflow/environments/direction-tests-null-maps.json {log:q} {output:q}; "
        "socm_nulls --threads {threads} {params.command} > {log:q} 2>&1"
