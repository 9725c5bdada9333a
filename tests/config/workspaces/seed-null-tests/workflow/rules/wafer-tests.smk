# Maps of the splits of wafer-tests.
rule wafer_tests:
    input:
        query="workflow/splits/wafer-tests/{job}.txt",
        context="data/context.yaml",
        area="data/area.fits",
        preprocess_config="workflow/configs/preprocess.yaml",
    output:
        map=ensure("results/{job}/pass1_sky_map.fits", non_empty=True),
        ivar=ensure("results/{job}/sky_div.fits", non_empty=True),
        hits=ensure("results/{job}/sky_hits.fits", non_empty=True),
        coverage="results/{job}/coverage.json",
    log:
        "logs/wafer-tests/{job}.log",
    benchmark:
        "benchmarks/wafer-tests/{job}.tsv"
    wildcard_constraints:
        job=r"wafer_ws\d+_split_\d+",
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
        command=of_job("wafer-tests", "command"),
        observations=of_job("wafer-tests", "observations"),
    message:
        "wafer-tests {wildcards.job}, log: {log}"
    shell:
        "note_environment workflow/environments/wafer-tests.json {log:q} {output:q}; "
        "own_tmp_dir {resources.tmp_dir}; "
        "{resources.mpi} {params.command} > {log:q} 2>&1 && "
        "socm_jobs coverage workflow/jobs/wafer-tests.json {wildcards.job:q} {log:q} {output.coverage:q}"
