# Half differences of sun-close-tests, their spectra and PTEs.
rule sun_close_tests_null_maps:
    input:
        spec="workflow/nulls/sun-close-tests/sun-close-tests.json",
        map=of_job("sun-close-tests-null-maps", "inputs", "map"),
        ivar=of_job("sun-close-tests-null-maps", "inputs", "ivar"),
        hits=of_job("sun-close-tests-null-maps", "inputs", "hits"),
        coverage=of_job("sun-close-tests-null-maps", "inputs", "coverage"),
    output:
        summary="results/sun-close-tests/summary.json",
        pte="results/sun-close-tests/pte.json",
        spectra="results/sun-close-tests/spectra.npz",
        difference_1=ensure(
            "results/sun-close-tests/d_close-far_1.fits", non_empty=True
        ),
        difference_2=ensure(
            "results/sun-close-tests/d_close-far_2.fits", non_empty=True
        ),
        picture_1="results/sun-close-tests/d_close-far_1.png",
        picture_2="results/sun-close-tests/d_close-far_2.png",
        picture_3="results/sun-close-tests/d_close-far.png",
    log:
        "logs/sun-close-tests-null-maps.log",
    benchmark:
        "benchmarks/sun-close-tests-null-maps.tsv"
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
        command=of_job("sun-close-tests-null-maps", "command"),
    message:
        "sun-close-tests-null-maps, log: {log}"
    shell:
        "note_environment workflow/environments/sun-close-tests-null-maps.json {log:q} {output:q}; "
        "socm_nulls --threads {threads} {params.command} > {log:q} 2>&1"
