# Half differences of moon-close-tests, their spectra and PTEs.
rule moon_close_tests_null_maps:
    input:
        spec="workflow/nulls/moon-close-tests/moon-close-tests.json",
        map=of_job("moon-close-tests-null-maps", "inputs", "map"),
        ivar=of_job("moon-close-tests-null-maps", "inputs", "ivar"),
        hits=of_job("moon-close-tests-null-maps", "inputs", "hits"),
        coverage=of_job("moon-close-tests-null-maps", "inputs", "coverage"),
    output:
        summary="results/moon-close-tests/summary.json",
        pte="results/moon-close-tests/pte.json",
        spectra="results/moon-close-tests/spectra.npz",
        difference_1=ensure(
            "results/moon-close-tests/d_close-far_1.fits", non_empty=True
        ),
        difference_2=ensure(
            "results/moon-close-tests/d_close-far_2.fits", non_empty=True
        ),
        picture_1="results/moon-close-tests/d_close-far_1.png",
        picture_2="results/moon-close-tests/d_close-far_2.png",
        picture_3="results/moon-close-tests/d_close-far.png",
    log:
        "logs/moon-close-tests-null-maps.log",
    benchmark:
        "benchmarks/moon-close-tests-null-maps.tsv"
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
        command=of_job("moon-close-tests-null-maps", "command"),
    message:
        "moon-close-tests-null-maps, log: {log}"
    shell:
        "note_environment workflow/environments/moon-close-tests-null-maps.json {log:q} {output:q}; "
        "socm_nulls --threads {threads} {params.command} > {log:q} 2>&1"
