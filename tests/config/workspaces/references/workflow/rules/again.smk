# A map for each bands.
rule again:
    input:
        query="workflow/queries/again/{job}.txt",
        context="data/context.yaml",
        area="data/area.fits",
        preprocess_config="workflow/configs/preprocess.yaml",
        references=of_job("again", "inputs", "references"),
    output:
        map=ensure("results/again/{job}/pass1_sky_map.fits", non_empty=True),
        ivar=ensure("results/again/{job}/sky_div.fits", non_empty=True),
        hits=ensure("results/again/{job}/sky_hits.fits", non_empty=True),
        coverage="results/again/{job}/coverage.json",
    log:
        "logs/again/{job}.log",
    benchmark:
        "benchmarks/again/{job}.tsv"
    wildcard_constraints:
        job=r"f090|f150",
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
        command=of_job("again", "command"),
        observations=of_job("again", "observations"),
    message:
        "again {wildcards.job}, log: {log}"
    shell:
        "note_environment workflow/environments/again.json {log:q} {output:q}; "
        "own_tmp_dir {resources.tmp_dir}; "
        "{resources.mpi} {params.command} > {log:q} 2>&1 && "
        "socm_jobs coverage workflow/jobs/again.json {wildcards.job:q} {log:q} {output.coverage:q}"
