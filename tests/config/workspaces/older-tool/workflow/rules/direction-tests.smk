# Maps of the splits of direction-tests.
rule direction_tests:
    input:
        query="workflow/splits/direction-tests/{job}.txt",
        context="data/context.yaml",
        area="data/area.fits",
        preprocess_config="workflow/configs/preprocess.yaml",
    output:
        map=ensure("output_full/null_tests/{job}/pass1_sky_map.fits", non_empty=True),
        ivar=ensure("output_full/null_tests/{job}/sky_div.fits", non_empty=True),
        hits=ensure("output_full/null_tests/{job}/sky_hits.fits", non_empty=True),
        coverage="output_full/null_tests/{job}/coverage.json",
    log:
        "logs/direction-tests/{job}.log",
    benchmark:
        "benchmarks/direction-tests/{job}.tsv"
    wildcard_constraints:
        job=r"direction_rising_split_\d+|direction_setting_split_\d+",
    conda:
        inherited
    threads: 8
    resources:
        mem_mb=growing(80000, by=1.5, up_to=1000000),
        runtime=growing(240, by=1.5, up_to=300),
        nodes=1,
        tasks=12,
        mpi='srun --nodes=1 --ntasks=12 --cpus-per-task=8 "$socm_python" -I -S "$socm_usage" rank',
        tmp_dir='""',
        qos="vshort",
    params:
        command=of_job("direction-tests", "command"),
        observations=of_job("direction-tests", "observations"),
    message:
        "direction-tests {wildcards.job}, log: {log}"
    shell:
        "note_environment workflow/environments/direction-tests.json {log:q} {output:q}; "
        "own_tmp_dir {resources.tmp_dir}; "
        "{resources.mpi} {params.command} > {log:q} 2>&1 && "
        "socm_jobs coverage workflow/jobs/direction-tests.json {wildcards.job:q} {log:q} {output.coverage:q}"
