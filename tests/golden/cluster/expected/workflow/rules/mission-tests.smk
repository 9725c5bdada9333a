# Maps of the splits of mission-tests.
rule mission_tests:
    input:
        query="workflow/splits/mission-tests/{job}.txt",
        context="data/context.yaml",
        area="data/area.fits",
        preprocess_config="data/preprocess.yaml",
    output:
        map=ensure("results/nulls/{job}/pass1_sky_map.fits", non_empty=True),
        ivar=ensure("results/nulls/{job}/sky_div.fits", non_empty=True),
        hits=ensure("results/nulls/{job}/sky_hits.fits", non_empty=True),
        coverage="results/nulls/{job}/coverage.json",
    log:
        "logs/mission-tests/{job}.log",
    benchmark:
        "benchmarks/mission-tests/{job}.tsv"
    wildcard_constraints:
        job=r"mission_split_\d+",
    conda:
        inherited
    threads: 8
    resources:
        mem_mb=growing(64000, by=1.5, up_to=1000000),
        runtime=growing(150, by=1.5, up_to=300),
        nodes=1,
        tasks=4,
        mpi='srun --nodes=1 --ntasks=4 --cpus-per-task=8 "$socm_python" -I -S "$socm_usage" rank',
        tmp_dir='""',
        qos="vshort",
    params:
        command=of_job("mission-tests", "command"),
        observations=of_job("mission-tests", "observations"),
    message:
        "mission-tests {wildcards.job}, log: {log}"
    shell:
        "note_environment workflow/environments/mission-tests.json {log:q} {output:q}; "
        "own_tmp_dir {resources.tmp_dir}; "
        "{resources.mpi} {params.command} > {log:q} 2>&1 && "
        "socm_jobs coverage workflow/jobs/mission-tests.json {wildcards.job:q} {log:q} {output.coverage:q}"
