# Maps of the splits of mission-tests.
rule mission_tests:
    input:
        query="workflow/splits/mission-tests/{job}.txt",
        context="data/context.yaml",
        area="data/area.fits",
        preprocess_config="data/preprocess.yaml",
        config="workflow/configs/mission-tests/{job}.yaml",
    output:
        map=ensure("results/null/{job}/map.fits", non_empty=True),
        ivar=ensure("results/null/{job}/ivar.fits", non_empty=True),
        coverage="results/null/{job}/coverage.json",
        depth1=directory("results/null/{job}/depth1"),
        catalogue="results/null/{job}/mapcat.db",
    log:
        "logs/mission-tests/{job}.log",
    benchmark:
        "benchmarks/mission-tests/{job}.tsv"
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
        command=of_job("mission-tests", "command"),
        prepare=of_job("mission-tests", "prepare"),
        observations=of_job("mission-tests", "observations"),
    message:
        "mission-tests {wildcards.job}, log: {log}"
    shell:
        "note_environment workflow/environments/mission-tests.json {log:q} {output:q}; "
        "own_tmp_dir {resources.tmp_dir}; "
        "{params.prepare} > {log:q} 2>&1 && "
        "{resources.mpi} {params.command} > {log:q} 2>&1 && "
        "socm_jobs coadd workflow/jobs/mission-tests.json {wildcards.job:q} >> {log:q} 2>&1 && "
        "socm_jobs coverage workflow/jobs/mission-tests.json {wildcards.job:q} {log:q} {output.coverage:q}"
