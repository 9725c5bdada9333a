# Maps of the splits of moon-close-tests.
rule moon_close_tests:
    input:
        query="workflow/splits/moon-close-tests/{job}.txt",
        context="data/context.yaml",
        area="data/area.fits",
        preprocess_config="data/preprocess.yaml",
    output:
        map=ensure("results/{job}/pass2_sky_map.fits", non_empty=True),
        ivar=ensure("results/{job}/sky_div.fits", non_empty=True),
        hits=ensure("results/{job}/sky_hits.fits", non_empty=True),
        coverage="results/{job}/coverage.json",
    log:
        "logs/moon-close-tests/{job}.log",
    benchmark:
        "benchmarks/moon-close-tests/{job}.tsv"
    wildcard_constraints:
        job=r"moon_close_split_\d+|moon_far_split_\d+",
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
        command=of_job("moon-close-tests", "command"),
        observations=of_job("moon-close-tests", "observations"),
    message:
        "moon-close-tests {wildcards.job}, log: {log}"
    shell:
        "note_environment workflow/environments/moon-close-tests.json {log:q} {output:q}; "
        "own_tmp_dir {resources.tmp_dir}; "
        "{resources.mpi} {params.command} > {log:q} 2>&1 && "
        "socm_jobs coverage workflow/jobs/moon-close-tests.json {wildcards.job:q} {log:q} {output.coverage:q}"
