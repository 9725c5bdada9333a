# Half differences of wafer-tests, their spectra and PTEs.
rule wafer_tests_null_maps:
    input:
        spec="workflow/nulls/wafer-tests/wafer-tests.json",
        map=of_job("wafer-tests-null-maps", "inputs", "map"),
        ivar=of_job("wafer-tests-null-maps", "inputs", "ivar"),
        hits=of_job("wafer-tests-null-maps", "inputs", "hits"),
        coverage=of_job("wafer-tests-null-maps", "inputs", "coverage"),
    output:
        summary="results/null/wafer-tests/summary.json",
        pte="results/null/wafer-tests/pte.json",
        spectra="results/null/wafer-tests/spectra.npz",
        difference_1=ensure("results/null/wafer-tests/d_ws0-ws1_1.fits", non_empty=True),
        difference_2=ensure("results/null/wafer-tests/d_ws0-ws1_2.fits", non_empty=True),
        picture_1="results/null/wafer-tests/d_ws0-ws1_1.png",
        picture_2="results/null/wafer-tests/d_ws0-ws1_2.png",
        picture_3="results/null/wafer-tests/d_ws0-ws1.png",
    log:
        "logs/wafer-tests-null-maps.log",
    benchmark:
        "benchmarks/wafer-tests-null-maps.tsv"
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
        command=of_job("wafer-tests-null-maps", "command"),
    message:
        "wafer-tests-null-maps, log: {log}"
    shell:
        "note_environment workflow/environments/wafer-tests-null-maps.json {log:q} {output:q}; "
        "socm_nulls --threads {threads} {params.command} > {log:q} 2>&1"
