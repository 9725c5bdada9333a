# Maps of the splits of day-night-tests.
rule day_night_tests:
    input:
        query="workflow/splits/day-night-tests/{job}.txt",
        context="data/context.yaml",
        area="data/area.fits",
        preprocess_config="data/preprocess.yaml",
    output:
        map=ensure("results/{job}/pass2_sky_map.fits", non_empty=True),
        ivar=ensure("results/{job}/sky_div.fits", non_empty=True),
        hits=ensure("results/{job}/sky_hits.fits", non_empty=True),
        coverage="results/{job}/coverage.json",
    log:
        "logs/day-night-tests/{job}.log",
    benchmark:
        "benchmarks/day-night-tests/{job}.tsv"
    wildcard_constraints:
        job=r"day_split_\d+|night_split_\d+",
    conda:
        inherited
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
        nodes=1,
        tasks=1,
        mpi="",
        tmp_dir='""',
    params:
        command=of_job("day-night-tests", "command"),
        observations=of_job("day-night-tests", "observations"),
    message:
        "day-night-tests {wildcards.job}, log: {log}"
    shell:
        "note_environment workflow/environments/day-night-tests.json {log:q} {output:q}; "
        "own_tmp_dir {resources.tmp_dir}; "
        "{resources.mpi} {params.command} > {log:q} 2>&1 && "
        "socm_jobs coverage workflow/jobs/day-night-tests.json {wildcards.job:q} {log:q} {output.coverage:q}"
