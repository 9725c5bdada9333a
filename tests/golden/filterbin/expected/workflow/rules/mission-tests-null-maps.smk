# Half differences of mission-tests, their spectra and PTEs.
rule mission_tests_null_maps:
    input:
        spec="workflow/nulls/mission-tests/mission-tests.json",
        map=of_job("mission-tests-null-maps", "inputs", "map"),
        ivar=of_job("mission-tests-null-maps", "inputs", "ivar"),
        hits=of_job("mission-tests-null-maps", "inputs", "hits"),
        coverage=of_job("mission-tests-null-maps", "inputs", "coverage"),
    output:
        summary="results/null/mission-tests/summary.json",
        pte="results/null/mission-tests/pte.json",
        spectra="results/null/mission-tests/spectra.npz",
        difference_1=ensure("results/null/mission-tests/d_13-24_1.fits", non_empty=True),
        difference_2=ensure("results/null/mission-tests/d_13-24_2.fits", non_empty=True),
        difference_3=ensure("results/null/mission-tests/d_12-34_1.fits", non_empty=True),
        difference_4=ensure("results/null/mission-tests/d_12-34_2.fits", non_empty=True),
        difference_5=ensure("results/null/mission-tests/d_14-23_1.fits", non_empty=True),
        difference_6=ensure("results/null/mission-tests/d_14-23_2.fits", non_empty=True),
        picture_1="results/null/mission-tests/d_13-24_1.png",
        picture_2="results/null/mission-tests/d_13-24_2.png",
        picture_3="results/null/mission-tests/d_13-24.png",
        picture_4="results/null/mission-tests/d_12-34_1.png",
        picture_5="results/null/mission-tests/d_12-34_2.png",
        picture_6="results/null/mission-tests/d_12-34.png",
        picture_7="results/null/mission-tests/d_14-23_1.png",
        picture_8="results/null/mission-tests/d_14-23_2.png",
        picture_9="results/null/mission-tests/d_14-23.png",
    log:
        "logs/mission-tests-null-maps.log",
    benchmark:
        "benchmarks/mission-tests-null-maps.tsv"
    conda:
        inherited
    threads: 4
    resources:
        mem_mb=4000,
        runtime=30,
        nodes=1,
        tasks=1,
        mpi="",
    params:
        command=of_job("mission-tests-null-maps", "command"),
    message:
        "mission-tests-null-maps, log: {log}"
    shell:
        "note_environment workflow/environments/mission-tests-null-maps.json {log:q} {output:q}; "
        "socm_nulls --threads {threads} {params.command} > {log:q} 2>&1"
