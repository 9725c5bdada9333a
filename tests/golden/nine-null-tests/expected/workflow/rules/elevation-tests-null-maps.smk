# Half differences of elevation-tests, their spectra and PTEs.
rule elevation_tests_null_maps:
    input:
        spec="workflow/nulls/elevation-tests/elevation-tests.json",
        map=of_job("elevation-tests-null-maps", "inputs", "map"),
        ivar=of_job("elevation-tests-null-maps", "inputs", "ivar"),
        hits=of_job("elevation-tests-null-maps", "inputs", "hits"),
        coverage=of_job("elevation-tests-null-maps", "inputs", "coverage"),
    output:
        summary="results/elevation-tests/summary.json",
        pte="results/elevation-tests/pte.json",
        spectra="results/elevation-tests/spectra.npz",
        difference_1=ensure("results/elevation-tests/d_high-low_1.fits", non_empty=True),
        difference_2=ensure("results/elevation-tests/d_high-low_2.fits", non_empty=True),
        picture_1="results/elevation-tests/d_high-low_1.png",
        picture_2="results/elevation-tests/d_high-low_2.png",
        picture_3="results/elevation-tests/d_high-low.png",
    log:
        "logs/elevation-tests-null-maps.log",
    benchmark:
        "benchmarks/elevation-tests-null-maps.tsv"
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
        command=of_job("elevation-tests-null-maps", "command"),
    message:
        "elevation-tests-null-maps, log: {log}"
    shell:
        "note_environment workflow/environments/elevation-tests-null-maps.json {log:q} {output:q}; "
        "socm_nulls --threads {threads} {params.command} > {log:q} 2>&1"
