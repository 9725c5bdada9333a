# Half differences of moonrise-set-tests, their spectra and PTEs.
rule moonrise_set_tests_null_maps:
    input:
        spec="workflow/nulls/moonrise-set-tests/moonrise-set-tests.json",
        map=of_job("moonrise-set-tests-null-maps", "inputs", "map"),
        ivar=of_job("moonrise-set-tests-null-maps", "inputs", "ivar"),
        hits=of_job("moonrise-set-tests-null-maps", "inputs", "hits"),
        coverage=of_job("moonrise-set-tests-null-maps", "inputs", "coverage"),
    output:
        summary="results/moonrise-set-tests/summary.json",
        pte="results/moonrise-set-tests/pte.json",
        spectra="results/moonrise-set-tests/spectra.npz",
        difference_1=ensure(
            "results/moonrise-set-tests/d_insky-outsky_1.fits", non_empty=True
        ),
        difference_2=ensure(
            "results/moonrise-set-tests/d_insky-outsky_2.fits", non_empty=True
        ),
        picture_1="results/moonrise-set-tests/d_insky-outsky_1.png",
        picture_2="results/moonrise-set-tests/d_insky-outsky_2.png",
        picture_3="results/moonrise-set-tests/d_insky-outsky.png",
    log:
        "logs/moonrise-set-tests-null-maps.log",
    benchmark:
        "benchmarks/moonrise-set-tests-null-maps.tsv"
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
        command=of_job("moonrise-set-tests-null-maps", "command"),
    message:
        "moonrise-set-tests-null-maps, log: {log}"
    shell:
        "note_environment workflow/environments/moonrise-set-tests-null-maps.json {log:q} {output:q}; "
        "socm_nulls --threads {threads} {params.command} > {log:q} 2>&1"
