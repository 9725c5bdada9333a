# The verdict on all null tests together, and the report of each.
rule null_tests_verdict:
    input:
        summary=of_job("null-tests-verdict", "inputs", "summary"),
        pte=of_job("null-tests-verdict", "inputs", "pte"),
        spectra=of_job("null-tests-verdict", "inputs", "spectra"),
    output:
        verdict="verdict.json",
        report=report("report.html", category="Null tests"),
    log:
        "logs/null-tests-verdict.log",
    benchmark:
        "benchmarks/null-tests-verdict.tsv"
    conda:
        inherited
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
        nodes=1,
        tasks=1,
        mpi="",
    params:
        command=of_job("null-tests-verdict", "command"),
    message:
        "null-tests-verdict, log: {log}"
    shell:
        "note_environment workflow/environments/null-tests-verdict.json {log:q} {output:q}; "
        "socm_nulls verdict {params.command} > {log:q} 2>&1"
