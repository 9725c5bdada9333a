# in-container: cat.
rule in_container:
    input:
        settings="data/preprocess.yaml",
    output:
        done="marks/in-container/in-container.done",
    log:
        "logs/in-container.log",
    benchmark:
        "benchmarks/in-container.tsv"
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
        command=of_job("in-container", "command"),
    message:
        "in-container, log: {log}"
    shell:
        "note_environment workflow/environments/in-container.json {log:q} {output:q}; "
        "own_tmp_dir {resources.tmp_dir}; "
        "{{ {resources.mpi} {params.command}\n}} > {log:q} 2>&1; "
        "socm_jobs finish workflow/jobs/in-container.json ''"
