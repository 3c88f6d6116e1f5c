# Every state is asked every probe; judging is a later step without a model.


rule build_probe:
    input:
        code=build_probe_code,
        data=paths.manifest("data"),
        self_texts=paths.self_texts("base"),
    output:
        manifest=paths.manifest("probes", "{probe}"),
    log:
        f"{LOGS}/build_probe/{{probe}}.log",
    priority: priorities.of_chain("base")
    conda:
        "../envs/selfsame.yaml"
    threads: reserve("light").threads
    resources:
        **reserve("light").resources,
    params:
        spec=spec_of(specs.build_probe, "probe"),
        code=digest_of(build_probe_code),
        out=folder,
    shell:
        step("build_probe", "data", "self_texts")


rule evaluate_behaviour:
    input:
        code=modules_of("evaluate_behaviour"),
        base=paths.manifest("base_model"),
        adapters=lambda wildcards: paths.adapters(wildcards.chain, wildcards.seed),
        prompts=paths.prompts(),
        steering=lambda wildcards: paths.chain_direction(wildcards.chain),
    output:
        manifest=paths.of_state("{chain}", "{seed}", "samples"),
    log:
        f"{LOGS}/evaluate_behaviour/{STATE_LOG}",
    priority: lambda wildcards: priorities.of_chain(wildcards.chain)
    conda:
        "../envs/selfsame.yaml"
    threads: reserve("sample").threads
    resources:
        **reserve("sample").resources,
    params:
        spec=spec_of(specs.evaluate_behaviour, "chain", "seed"),
        code=digest_of(modules_of("evaluate_behaviour")),
        out=folder,
    shell:
        step("evaluate_behaviour", "base", "adapters", "prompts", "steering")


rule judge_answers:
    input:
        code=judge_answers_code(),
        samples=paths.of_state("{chain}", "{seed}", "samples"),
    output:
        manifest=paths.of_state("{chain}", "{seed}", "observations"),
    log:
        f"{LOGS}/judge_answers/{STATE_LOG}",
    priority: JUDGING
    conda:
        "../envs/selfsame.yaml"
    threads: reserve("light").threads
    resources:
        **reserve("light").resources,
    params:
        spec=spec_of(specs.judge_answers),
        code=digest_of(judge_answers_code()),
        out=folder,
    shell:
        step("judge_answers", "samples")
