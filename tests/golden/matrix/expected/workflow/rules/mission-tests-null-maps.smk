# Half differences of mission-tests, their spectra and PTEs.
rule mission_tests_null_maps:
    input:
        spec="workflow/nulls/mission-tests/{job}/mission-tests.json",
        map=of_job("mission-tests-null-maps", "inputs", "map"),
        ivar=of_job("mission-tests-null-maps", "inputs", "ivar"),
        hits=of_job("mission-tests-null-maps", "inputs", "hits"),
        coverage=of_job("mission-tests-null-maps", "inputs", "coverage"),
    output:
        summary="results/nulls/{job}/mission-tests/summary.json",
        pte="results/nulls/{job}/mission-tests/pte.json",
        spectra="results/nulls/{job}/mission-tests/spectra.npz",
        difference_1=ensure(
            "results/nulls/{job}/mission-tests/d_1-2_1.fits", non_empty=True
        ),
        picture_1="results/nulls/{job}/mission-tests/d_1-2_1.png",
        picture_2="results/nulls/{job}/mission-tests/d_1-2.png",
    log:
        "logs/mission-tests-null-maps/{job}.log",
    benchmark:
        "benchmarks/mission-tests-null-maps/{job}.tsv"
    wildcard_constraints:
        job=r"f\d+",
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
        command=of_job("mission-tests-null-maps", "command"),
    message:
        "mission-tests-null-maps {wildcards.job}, log: {log}"
    shell:
        "note_environment workflow/environments/mission-tests-null-maps.json {log:q} {output:q}; "
        "socm_nulls --threads {threads} {params.command} > {log:q} 2>&1"
