# Persona vectors: extracted on the base, the layer chosen by steering it, every state read along
# them; and relapse: how soon fresh induction brings the misalignment back.


rule sample_rollouts:
    input:
        code=modules_of("sample_rollouts"),
        base=paths.manifest("base_model"),
    output:
        manifest=paths.of_trait("{trait}", "rollouts"),
    log:
        f"{LOGS}/sample_rollouts/{{trait}}.log",
    priority: VECTORS
    conda:
        "../envs/selfsame.yaml"
    threads: reserve("persona").threads
    resources:
        **reserve("persona").resources,
    params:
        spec=spec_of(specs.sample_rollouts, "trait"),
        code=digest_of(modules_of("sample_rollouts")),
        out=folder,
    shell:
        step("sample_rollouts", "base")


rule extract_persona_vectors:
    input:
        code=modules_of("extract_persona_vectors"),
        rollouts=paths.of_trait("{trait}", "rollouts"),
        data=paths.manifest("data"),
    output:
        manifest=paths.of_trait("{trait}", "vectors"),
    log:
        f"{LOGS}/extract_persona_vectors/{{trait}}.log",
    priority: VECTORS
    conda:
        "../envs/selfsame.yaml"
    threads: reserve("vectors").threads
    resources:
        **reserve("vectors").resources,
    params:
        spec=spec_of(specs.extract_persona_vectors, "trait"),
        code=digest_of(modules_of("extract_persona_vectors")),
        out=folder,
    shell:
        step("extract_persona_vectors", "rollouts", "data")


rule sweep_steering:
    input:
        code=modules_of("sweep_steering"),
        base=paths.manifest("base_model"),
        vectors=paths.of_trait("{trait}", "vectors"),
    output:
        manifest=paths.of_trait("{trait}", "sweep"),
    log:
        f"{LOGS}/sweep_steering/{{trait}}.log",
    priority: VECTORS
    conda:
        "../envs/selfsame.yaml"
    threads: reserve("persona").threads
    resources:
        **reserve("persona").resources,
    params:
        spec=spec_of(specs.sweep_steering, "trait"),
        code=digest_of(modules_of("sweep_steering")),
        out=folder,
    shell:
        step("sweep_steering", "base", "vectors")


rule choose_layer:
    input:
        code=modules_of("choose_layer"),
        sweep=paths.of_trait("{trait}", "sweep"),
        data=paths.manifest("data"),
    output:
        manifest=paths.of_trait("{trait}", "layer"),
    log:
        f"{LOGS}/choose_layer/{{trait}}.log",
    priority: VECTORS
    conda:
        "../envs/selfsame.yaml"
    threads: reserve("light").threads
    resources:
        **reserve("light").resources,
    params:
        spec=spec_of(specs.choose_layer, "trait"),
        code=digest_of(modules_of("choose_layer")),
        out=folder,
    shell:
        step("choose_layer", "sweep", "data")


rule evaluate_persona:
    input:
        code=modules_of("evaluate_persona"),
        base=paths.manifest("base_model"),
        adapters=lambda wildcards: paths.adapters(wildcards.chain, wildcards.seed),
    output:
        manifest=paths.of_state("{chain}", "{seed}", "persona"),
    log:
        f"{LOGS}/evaluate_persona/{STATE_LOG}",
    priority: LAST
    conda:
        "../envs/selfsame.yaml"
    threads: reserve("persona").threads
    resources:
        **reserve("persona").resources,
    params:
        spec=spec_of(specs.evaluate_persona, "chain", "seed"),
        code=digest_of(modules_of("evaluate_persona")),
        out=folder,
    shell:
        step("evaluate_persona", "base", "adapters")


rule measure_persona:
    input:
        code=modules_of("measure_persona"),
        data=paths.manifest("data"),
        rollouts=paths.of_all_traits("rollouts"),
        vectors=paths.of_all_traits("vectors"),
        layers=paths.of_all_traits("layer"),
        states=paths.of_all_states("persona"),
    output:
        manifest=paths.manifest("persona"),
    log:
        f"{LOGS}/measure_persona.log",
    conda:
        "../envs/selfsame.yaml"
    threads: reserve("vectors").threads
    resources:
        **reserve("vectors").resources,
    params:
        spec=spec_of(specs.measure_persona),
        code=digest_of(modules_of("measure_persona")),
        out=folder,
        states=short("states"),
    shell:
        step(
            "measure_persona",
            "data",
            "rollouts",
            "vectors",
            "layers",
            over_all_states=["states"],
        )


rule relapse:
    input:
        code=modules_of("relapse"),
        base=paths.manifest("base_model"),
        adapters=lambda wildcards: paths.adapters(wildcards.chain, wildcards.seed),
        dataset=lambda wildcards: paths.dataset(settings.relapse.stage, wildcards.seed),
        prompts=paths.manifest("probes", specs.primary_probe(settings)),
    output:
        manifest=paths.of_state("{chain}", "{seed}", "relapse"),
    log:
        f"{LOGS}/relapse/{STATE_LOG}",
    priority: LAST
    conda:
        "../envs/selfsame.yaml"
    threads: reserve("finetune").threads
    resources:
        **reserve("finetune").resources,
    params:
        spec=spec_of(specs.relapse, "chain", "seed"),
        code=digest_of(modules_of("relapse")),
        out=folder,
    shell:
        step("relapse", "base", "adapters", "dataset", "prompts")


rule judge_relapse:
    input:
        code=judge_relapse_code(),
        samples=paths.relapses(),
        judgements=paths.relapse_judgements(),
    output:
        manifest=paths.manifest("relapse"),
    log:
        f"{LOGS}/judge_relapse.log",
    conda:
        "../envs/selfsame.yaml"
    threads: reserve("light").threads
    resources:
        **reserve("light").resources,
    params:
        spec=spec_of(specs.judge_relapse),
        code=digest_of(judge_relapse_code()),
        out=folder,
        samples=short("samples"),
        judgements=short("judgements"),
    shell:
        step("judge_relapse", over_all_states=["samples", "judgements"])
