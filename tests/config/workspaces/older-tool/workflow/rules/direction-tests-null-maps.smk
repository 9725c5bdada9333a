# Half differences of direction-tests, their spectra and PTEs.
rule direction_tests_null_maps:
    input:
        spec="workflow/nulls/direction-tests/direction-tests.json",
        map=of_job("direction-tests-null-maps", "inputs", "map"),
        ivar=of_job("direction-tests-null-maps", "inputs", "ivar"),
        hits=of_job("direction-tests-null-maps", "inputs", "hits"),
        coverage=of_job("direction-tests-null-maps", "inputs", "coverage"),
    output:
        summary="output_full/null_tests/direction-tests/summary.json",
        pte="output_full/null_tests/direction-tests/pte.json",
        spectra="output_full/null_tests/direction-tests/spectra.npz",
        difference_1=ensure(
            "output_full/null_tests/direction-tests/d_rising-setting_1.fits",
            non_empty=True,
        ),
        difference_2=ensure(
            "output_full/null_tests/direction-tests/d_rising-setting_2.fits",
            non_empty=True,
        ),
        picture_1="output_full/null_tests/direction-tests/d_rising-setting_1.png",
        picture_2="output_full/null_tests/direction-tests/d_rising-setting_2.png",
        picture_3="output_full/null_tests/direction-tests/d_rising-setting.png",
    log:
        "logs/direction-tests-null-maps.log",
    benchmark:
        "benchmarks/direction-tests-null-maps.tsv"
    conda:
        inherited
    threads: 1
    resources:
        mem_mb=growing(4000, by=1.5, up_to=1000000),
        runtime=growing(30, by=1.5, up_to=60),
        nodes=1,
        tasks=1,
        mpi="",
        qos="test",
        test_jobs=1,
    params:
        command=of_job("direction-tests-null-maps", "command"),
    message:
        "direction-tests-null-maps, log: {log}"
    shell:
        "note_environment workflow/environments/direction-tests-null-maps.json {log:q} {output:q}; "
        "socm_nulls --threads {threads} {params.command} > {log:q} 2>&1"
