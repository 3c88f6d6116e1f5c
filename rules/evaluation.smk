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


rule judge_model:
    input:
        code=modules_of("judge_model"),
        model=lambda wildcards: paths.judge_files(wildcards.judge),
    output:
        manifest=paths.manifest("judges", "{judge}"),
    log:
        f"{LOGS}/judge_model/{{judge}}.log",
    priority: priorities.of_chain("base")
    conda:
        "../envs/selfsame.yaml"
    threads: reserve_by_judge(needs_to_find).threads
    resources:
        **reserve_by_judge(needs_to_find).resources,
    params:
        spec=spec_of(judge_specs.judge_model, "judge"),
        code=digest_of(modules_of("judge_model")),
        out=folder,
    shell:
        step("judge_model")


rule ask_judges:
    input:
        code=ask_judges_code,
        samples=paths.of_state("{chain}", "{seed}", "samples"),
        prompts=lambda wildcards: paths.judged_prompts(wildcards.judge),
        model=lambda wildcards: paths.judge_model(wildcards.judge),
    output:
        manifest=paths.judgements("{chain}", "{seed}", "{judge}"),
    log:
        f"{LOGS}/ask_judges/{{chain}}.seed{{seed}}.{{judge}}.log",
    priority: JUDGING
    conda:
        "../envs/selfsame.yaml"
    threads: reserve_by_judge(needs_to_ask).threads
    resources:
        **reserve_by_judge(needs_to_ask).resources,
    params:
        spec=spec_of(judge_specs.ask_judges, "judge"),
        code=digest_of(ask_judges_code),
        out=folder,
    shell:
        step("ask_judges", "samples", "prompts", "model")


use rule ask_judges as ask_judges_on_relapse with:
    input:
        code=ask_judges_code,
        samples=paths.of_state("{chain}", "{seed}", "relapse"),
        prompts=paths.manifest("probes", specs.primary_probe(settings)),
        model=lambda wildcards: paths.judge_model(wildcards.judge),
    output:
        manifest=paths.judgements("{chain}", "{seed}", "{judge}", "relapse"),
    log:
        f"{LOGS}/ask_judges_on_relapse/{{chain}}.seed{{seed}}.{{judge}}.log",
    params:
        spec=spec_of(judge_specs.ask_judges_on_relapse, "judge"),
        code=digest_of(ask_judges_code),
        out=folder,


rule judge_answers:
    input:
        code=judge_answers_code(),
        samples=paths.of_state("{chain}", "{seed}", "samples"),
        judgements=lambda wildcards: paths.deciding_judgements(
            wildcards.chain, wildcards.seed
        ),
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
        step("judge_answers", "samples", "judgements")
