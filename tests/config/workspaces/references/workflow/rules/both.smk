# Map of 33 observations.
rule both:
    input:
        query="workflow/queries/both/all.txt",
        context="data/context.yaml",
        area="data/area.fits",
        preprocess_config="workflow/configs/preprocess.yaml",
        references=of_job("both", "inputs", "references"),
    output:
        map=ensure("data/area.fits.results/pass1_sky_map.fits", non_empty=True),
        ivar=ensure("data/area.fits.results/sky_div.fits", non_empty=True),
        hits=ensure("data/area.fits.results/sky_hits.fits", non_empty=True),
        coverage="data/area.fits.results/coverage.json",
    log:
        "logs/both.log",
    benchmark:
        "benchmarks/both.tsv"
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
        command=of_job("both", "command"),
        observations=of_job("both", "observations"),
    message:
        "both, log: {log}"
    shell:
        "note_environment workflow/environments/both.json {log:q} {output:q}; "
        "own_tmp_dir {resources.tmp_dir}; "
        "{resources.mpi} {params.command} > {log:q} 2>&1 && "
        "socm_jobs coverage workflow/jobs/both.json '' {log:q} {output.coverage:q}"
