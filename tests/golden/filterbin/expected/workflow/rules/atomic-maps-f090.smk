# Maps of single observations.
rule atomic_maps_f090:
    input:
        query="workflow/queries/atomic-maps/results_atomic/{job}.txt",
        config="workflow/configs/atomic-maps/results_atomic/f090.yaml",
        context="data/context.yaml",
        preprocess_config=of_job("atomic-maps-f090", "inputs", "preprocess_config"),
    output:
        maps=directory("results/atomic/{job}/maps"),
        account="results/atomic/{job}/maps.json",
    log:
        "logs/atomic-maps-f090/{job}.log",
    benchmark:
        "benchmarks/atomic-maps-f090/{job}.tsv"
    wildcard_constraints:
        job=r"f\d+/ws\d+/any-\d+|f\d+/ws\d+/lati\d+-\d+",
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
        command=of_job("atomic-maps-f090", "command"),
        observations=of_job("atomic-maps-f090", "observations"),
    message:
        "atomic-maps-f090 {wildcards.job}, log: {log}"
    shell:
        "note_environment workflow/environments/atomic-maps-f090.json {log:q} {output:q}; "
        "own_tmp_dir {resources.tmp_dir}; "
        "socm_jobs configure-atomic workflow/jobs/atomic-maps-f090.json {wildcards.job:q} > {log:q} 2>&1 && "
        "{resources.mpi} {params.command} > {log:q} 2>&1 && "
        "socm_jobs account-atomic workflow/jobs/atomic-maps-f090.json {wildcards.job:q} {log:q}"
