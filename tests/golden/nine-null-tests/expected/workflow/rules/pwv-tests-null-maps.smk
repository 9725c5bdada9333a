# Half differences of pwv-tests, their spectra and PTEs.
rule pwv_tests_null_maps:
    input:
        spec="workflow/nulls/pwv-tests/pwv-tests.json",
        map=of_job("pwv-tests-null-maps", "inputs", "map"),
        ivar=of_job("pwv-tests-null-maps", "inputs", "ivar"),
        hits=of_job("pwv-tests-null-maps", "inputs", "hits"),
        coverage=of_job("pwv-tests-null-maps", "inputs", "coverage"),
    output:
        summary="results/pwv-tests/summary.json",
        pte="results/pwv-tests/pte.json",
        spectra="results/pwv-tests/spectra.npz",
        difference_1=ensure("results/pwv-tests/d_high-low_1.fits", non_empty=True),
        difference_2=ensure("results/pwv-tests/d_high-low_2.fits", non_empty=True),
        picture_1="results/pwv-tests/d_high-low_1.png",
        picture_2="results/pwv-tests/d_high-low_2.png",
        picture_3="results/pwv-tests/d_high-low.png",
    log:
        "logs/pwv-tests-null-maps.log",
    benchmark:
        "benchmarks/pwv-tests-null-maps.tsv"
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
        command=of_job("pwv-tests-null-maps", "command"),
    message:
        "pwv-tests-null-maps, log: {log}"
    shell:
        "note_environment workflow/environments/pwv-tests-null-maps.json {log:q} {output:q}; "
        "socm_nulls --threads {threads} {params.command} > {log:q} 2>&1"
