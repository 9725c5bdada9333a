# Maps of the splits of mission-tests.
rule nulls_f150_mission_tests:
    input:
        query="workflow/splits/nulls-f150-mission-tests/{job}.txt",
        context="data/context.yaml",
        area="data/area.fits",
        preprocess_config="workflow/configs/preprocess.yaml",
    output:
        map=ensure("results/nulls-f150/{job}/pass1_sky_map.fits", non_empty=True),
        ivar=ensure("results/nulls-f150/{job}/sky_div.fits", non_empty=True),
        hits=ensure("results/nulls-f150/{job}/sky_hits.fits", non_empty=True),
        coverage="results/nulls-f150/{job}/coverage.json",
    log:
        "logs/nulls-f150-mission-tests/{job}.log",
    benchmark:
        "benchmarks/nulls-f150-mission-tests/{job}.tsv"
    wildcard_constraints:
        job=r"mission_split_\d+",
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
        command=of_job("nulls-f150-mission-tests", "command"),
        observations=of_job("nulls-f150-mission-tests", "observations"),
    message:
        "nulls-f150-mission-tests {wildcards.job}, log: {log}"
    shell:
        "note_environment workflow/environments/nulls-f150-mission-tests.json {log:q} {output:q}; "
        "own_tmp_dir {resources.tmp_dir}; "
        "{resources.mpi} {params.command} > {log:q} 2>&1 && "
        "socm_jobs coverage workflow/jobs/nulls-f150-mission-tests.json {wildcards.job:q} {log:q} {output.coverage:q}"
