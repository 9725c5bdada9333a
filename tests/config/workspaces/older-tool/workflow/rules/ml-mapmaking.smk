# Map of 8 observations.
rule ml_mapmaking:
    input:
        query="workflow/queries/ml-mapmaking/all.txt",
        context="data/context.yaml",
        area="data/area.fits",
        preprocess_config="workflow/configs/preprocess.yaml",
    output:
        map=ensure("output_full/pass2_sky_map.fits", non_empty=True),
        ivar=ensure("output_full/sky_div.fits", non_empty=True),
        hits=ensure("output_full/sky_hits.fits", non_empty=True),
        coverage="output_full/coverage.json",
    log:
        "logs/ml-mapmaking.log",
    benchmark:
        "benchmarks/ml-mapmaking.tsv"
    conda:
        inherited
    threads: 8
    resources:
        mem_mb=growing(80000, by=1.5, up_to=1000000),
        runtime=growing(1334, by=1.5, up_to=1440),
        nodes=1,
        tasks=4,
        mpi='srun --nodes=1 --ntasks=4 --cpus-per-task=8 "$socm_python" -I -S "$socm_usage" rank',
        tmp_dir='""',
        qos="short",
    params:
        command=of_job("ml-mapmaking", "command"),
        observations=of_job("ml-mapmaking", "observations"),
    message:
        "ml-mapmaking, log: {log}"
    shell:
        "note_environment workflow/environments/ml-mapmaking.json {log:q} {output:q}; "
        "own_tmp_dir {resources.tmp_dir}; "
        "{resources.mpi} {params.command} > {log:q} 2>&1 && "
        "socm_jobs coverage workflow/jobs/ml-mapmaking.json '' {log:q} {output.coverage:q}"
