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
        difference_1=ensure(
            "results/direction-tests/d_rising-rest_1.fits", non_empty=True
        ),
        difference_2=ensure(
            "results/direction-tests/d_rising-rest_2.fits", non_empty=True
        ),
        difference_3=ensure(
            "results/direction-tests/d_setting-rest_1.fits", non_empty=True
        ),
        difference_4=ensure(
            "results/direction-tests/d_setting-rest_2.fits", non_empty=True
        ),
        difference_5=ensure(
            "results/direction-tests/d_middle-rest_1.fits", non_empty=True
        ),
        difference_6=ensure(
            "results/direction-tests/d_middle-rest_2.fits", non_empty=True
        ),
        picture_1="results/direction-tests/d_rising-rest_1.png",
        picture_2="results/direction-tests/d_rising-rest_2.png",
        picture_3="results/direction-tests/d_rising-rest.png",
        picture_4="results/direction-tests/d_setting-rest_1.png",
        picture_5="results/direction-tests/d_setting-rest_2.png",
        picture_6="results/direction-tests/d_setting-rest.png",
        picture_7="results/direction-tests/d_middle-rest_1.png",
        picture_8="results/direction-tests/d_middle-rest_2.png",
        picture_9="results/direction-tests/d_middle-rest.png",
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
