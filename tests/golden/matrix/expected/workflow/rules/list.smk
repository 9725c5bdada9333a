# list: ls.
rule list:
    input:
        maps=of_job("list", "inputs", "maps"),
    output:
        done="marks/list/list.done",
    log:
        "logs/list.log",
    benchmark:
        "benchmarks/list.tsv"
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
        command=of_job("list", "command"),
    message:
        "list, log: {log}"
    shell:
        "note_environment workflow/environments/list.json {log:q} {output:q}; "
        "own_tmp_dir {resources.tmp_dir}; "
        "{{ {resources.mpi} {params.command}\n}} > {log:q} 2>&1; "
        "socm_jobs finish workflow/jobs/list.json ''"
