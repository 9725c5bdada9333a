# Maps of the splits of mission-tests.
rule mission_tests:
    input:
        query="workflow/splits/mission-tests/{job}.txt",
        account=of_job("mission-tests", "inputs", "account"),
    output:
        map=ensure("results/null/{job}/map.fits", non_empty=True),
        ivar=ensure("results/null/{job}/ivar.fits", non_empty=True),
        hits=ensure("results/null/{job}/hits.fits", non_empty=True),
        coverage="results/null/{job}/coverage.json",
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
        mem_mb=1000,
        runtime=60,
        nodes=1,
        tasks=1,
        mpi="",
    params:
        command=of_job("mission-tests", "command"),
        observations=of_job("mission-tests", "observations"),
    message:
        "mission-tests {wildcards.job}, log: {log}"
    shell:
        "note_environment workflow/environments/mission-tests.json {log:q} {output:q}; "
        "socm_jobs sum-atomic workflow/jobs/mission-tests.json {wildcards.job:q} {params.command} > {log:q} 2>&1 && "
        "socm_jobs coverage workflow/jobs/mission-tests.json {wildcards.job:q} {log:q} {output.coverage:q}"
