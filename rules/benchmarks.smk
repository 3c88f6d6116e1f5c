# Standard benchmarks through lm-evaluation-harness, where the config asks for them.


rule evaluate_benchmarks:
    input:
        code=modules_of("evaluate_benchmarks"),
        base=paths.manifest("base_model"),
        adapters=lambda wildcards: paths.adapters(wildcards.chain, wildcards.seed),
        tasks=paths.task_files(),
    output:
        manifest=paths.of_state("{chain}", "{seed}", "benchmarks"),
    log:
        f"{LOGS}/evaluate_benchmarks/{STATE_LOG}",
    priority: LAST
    conda:
        "../envs/selfsame.yaml"
    threads: reserve("sample").threads
    resources:
        **reserve("sample").resources,
    params:
        spec=spec_of(probe_specs.evaluate_benchmarks, "chain", "seed"),
        code=digest_of(modules_of("evaluate_benchmarks")),
        out=folder,
    shell:
        step("evaluate_benchmarks", "base", "adapters", "tasks")
