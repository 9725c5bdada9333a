# Half differences of mission-tests, their spectra and PTEs.
rule f090_mission_tests_null_maps:
    input:
        spec="workflow/nulls/f090-mission-tests/mission-tests.json",
        map=of_job("f090-mission-tests-null-maps", "inputs", "map"),
        ivar=of_job("f090-mission-tests-null-maps", "inputs", "ivar"),
        hits=of_job("f090-mission-tests-null-maps", "inputs", "hits"),
        coverage=of_job("f090-mission-tests-null-maps", "inputs", "coverage"),
    output:
        summary="results/f090-nulls/mission-tests/summary.json",
        pte="results/f090-nulls/mission-tests/pte.json",
        spectra="results/f090-nulls/mission-tests/spectra.npz",
        difference_1=ensure(
            "results/f090-nulls/mission-tests/d_1-2_1.fits", non_empty=True
        ),
        picture_1="results/f090-nulls/mission-tests/d_1-2_1.png",
        picture_2="results/f090-nulls/mission-tests/d_1-2.png",
    log:
        "logs/f090-mission-tests-null-maps.log",
    benchmark:
        "benchmarks/f090-mission-tests-null-maps.tsv"
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
        command=of_job("f090-mission-tests-null-maps", "command"),
    message:
        "f090-mission-tests-null-maps, log: {log}"
    shell:
        "note_environment workflow/environments/f090-mission-tests-null-maps.json {log:q} {output:q}; "
        "socm_nulls --threads {threads} {params.command} > {log:q} 2>&1"
