# Map of 81 observations.
rule maps_in_container:
    input:
        query="workflow/queries/maps-in-container/all.txt",
        context="data/context.yaml",
        area="data/area.fits",
        preprocess_config="data/preprocess.yaml",
        container="envs/mapmaking image.sif",
    output:
        map=ensure("results/maps-in-container/pass1_sky_map.fits", non_empty=True),
        ivar=ensure("results/maps-in-container/sky_div.fits", non_empty=True),
        hits=ensure("results/maps-in-container/sky_hits.fits", non_empty=True),
        coverage="results/maps-in-container/coverage.json",
    log:
        "logs/maps-in-container.log",
    benchmark:
        "benchmarks/maps-in-container.tsv"
    conda:
        inherited
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
        nodes=1,
        tasks=2,
        mpi='mpiexec -n 2 "$socm_python" -I -S "$socm_usage" rank',
        tmp_dir='""',
    params:
        command=of_job("maps-in-container", "command"),
        observations=of_job("maps-in-container", "observations"),
    message:
        "maps-in-container, log: {log}"
    shell:
        "note_environment workflow/environments/maps-in-container.json {log:q} {output:q}; "
        "own_tmp_dir {resources.tmp_dir}; "
        "{resources.mpi} {params.command} > {log:q} 2>&1 && "
        "socm_jobs coverage workflow/jobs/maps-in-container.json '' {log:q} {output.coverage:q}"
