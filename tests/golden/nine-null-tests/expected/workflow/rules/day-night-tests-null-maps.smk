# Half differences of day-night-tests, their spectra and PTEs.
rule day_night_tests_null_maps:
    input:
        spec="workflow/nulls/day-night-tests/day-night-tests.json",
        map=of_job("day-night-tests-null-maps", "inputs", "map"),
        ivar=of_job("day-night-tests-null-maps", "inputs", "ivar"),
        hits=of_job("day-night-tests-null-maps", "inputs", "hits"),
        coverage=of_job("day-night-tests-null-maps", "inputs", "coverage"),
    output:
        summary="results/day-night-tests/summary.json",
        pte="results/day-night-tests/pte.json",
        spectra="results/day-night-tests/spectra.npz",
        difference_1=ensure(
            "results/day-night-tests/d_day-night_1.fits", non_empty=True
        ),
        difference_2=ensure(
            "results/day-night-tests/d_day-night_2.fits", non_empty=True
        ),
        picture_1="results/day-night-tests/d_day-night_1.png",
        picture_2="results/day-night-tests/d_day-night_2.png",
        picture_3="results/day-night-tests/d_day-night.png",
    log:
        "logs/day-night-tests-null-maps.log",
    benchmark:
        "benchmarks/day-night-tests-null-maps.tsv"
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
        command=of_job("day-night-tests-null-maps", "command"),
    message:
        "day-night-tests-null-maps, log: {log}"
    shell:
        "note_environment workflow/environments/day-night-tests-null-maps.json {log:q} {output:q}; "
        "socm_nulls --threads {threads} {params.command} > {log:q} 2>&1"
