# Half differences of wafer-tests, their spectra and PTEs.
rule wafer_tests_null_maps:
    input:
        spec="workflow/nulls/wafer-tests/wafer-tests.json",
        map=of_job("wafer-tests-null-maps", "inputs", "map"),
        ivar=of_job("wafer-tests-null-maps", "inputs", "ivar"),
        hits=of_job("wafer-tests-null-maps", "inputs", "hits"),
        coverage=of_job("wafer-tests-null-maps", "inputs", "coverage"),
    output:
        summary="results/wafer-tests/summary.json",
        pte="results/wafer-tests/pte.json",
        spectra="results/wafer-tests/spectra.npz",
        difference_1=ensure("results/wafer-tests/d_ws0-ws1_1.fits", non_empty=True),
        difference_2=ensure("results/wafer-tests/d_ws0-ws1_2.fits", non_empty=True),
        difference_3=ensure("results/wafer-tests/d_ws0-ws1_3.fits", non_empty=True),
        difference_4=ensure("results/wafer-tests/d_ws0-ws1_4.fits", non_empty=True),
        difference_5=ensure("results/wafer-tests/d_ws0-ws1_5.fits", non_empty=True),
        difference_6=ensure("results/wafer-tests/d_ws0-ws1_6.fits", non_empty=True),
        difference_7=ensure("results/wafer-tests/d_ws0-ws1_7.fits", non_empty=True),
        difference_8=ensure("results/wafer-tests/d_ws0-ws1_8.fits", non_empty=True),
        picture_1="results/wafer-tests/d_ws0-ws1_1.png",
        picture_2="results/wafer-tests/d_ws0-ws1_2.png",
        picture_3="results/wafer-tests/d_ws0-ws1_3.png",
        picture_4="results/wafer-tests/d_ws0-ws1_4.png",
        picture_5="results/wafer-tests/d_ws0-ws1_5.png",
        picture_6="results/wafer-tests/d_ws0-ws1_6.png",
        picture_7="results/wafer-tests/d_ws0-ws1_7.png",
        picture_8="results/wafer-tests/d_ws0-ws1_8.png",
        picture_9="results/wafer-tests/d_ws0-ws1.png",
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
