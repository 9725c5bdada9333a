# Half differences of mission-tests, their spectra and PTEs.
rule nulls_f150_mission_tests_null_maps:
    input:
        spec="workflow/nulls/nulls-f150-mission-tests/mission-tests.json",
        map=of_job("nulls-f150-mission-tests-null-maps", "inputs", "map"),
        ivar=of_job("nulls-f150-mission-tests-null-maps", "inputs", "ivar"),
        hits=of_job("nulls-f150-mission-tests-null-maps", "inputs", "hits"),
        coverage=of_job("nulls-f150-mission-tests-null-maps", "inputs", "coverage"),
    output:
        summary="results/nulls-f150/mission-tests/summary.json",
        pte="results/nulls-f150/mission-tests/pte.json",
        spectra="results/nulls-f150/mission-tests/spectra.npz",
        difference_1=ensure(
            "results/nulls-f150/mission-tests/d_1-2_1.fits", non_empty=True
        ),
        picture_1="results/nulls-f150/mission-tests/d_1-2_1.png",
        picture_2="results/nulls-f150/mission-tests/d_1-2.png",
    log:
        "logs/nulls-f150-mission-tests-null-maps.log",
    benchmark:
        "benchmarks/nulls-f150-mission-tests-null-maps.tsv"
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
        command=of_job("nulls-f150-mission-tests-null-maps", "command"),
    message:
        "nulls-f150-mission-tests-null-maps, log: {log}"
    shell:
        "note_environment workflow/environments/nulls-f150-mission-tests-null-maps.json {log:q} {output:q}; "
        "socm_nulls --threads {threads} {params.command} > {log:q} 2>&1"
