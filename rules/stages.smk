# The stages of a chain. Each has its rows (build_pairs) and one finetune on top of its parents;
# the finetunes are one rule under the names of the method.


rule build_pairs:
    input:
        code=build_pairs_code,
        data=paths.manifest("data"),
        self_texts=lambda wildcards: paths.texts_for_dataset(
            wildcards.dataset, wildcards.seed
        ),
        interleaved=lambda wildcards: paths.interleaved(
            wildcards.dataset, wildcards.seed
        ),
    output:
        manifest=paths.manifest("datasets", "{dataset}", "seed{seed}"),
    log:
        f"{LOGS}/build_pairs/{{dataset}}.seed{{seed}}.log",
    priority: lambda wildcards: priorities.of_dataset(wildcards.dataset)
    conda:
        "../envs/selfsame.yaml"
    threads: reserve("light").threads
    resources:
        **reserve("light").resources,
    params:
        spec=spec_of(specs.build_pairs, "dataset", "seed"),
        code=digest_of(build_pairs_code),
        out=folder,
    shell:
        step("build_pairs", "data", "self_texts", "interleaved")


rule induce_misalignment:
    input:
        code=modules_of("finetune"),
        base=paths.manifest("base_model"),
        dataset=lambda wildcards: paths.dataset(wildcards.chain, wildcards.seed),
        parents=lambda wildcards: paths.parents(wildcards.chain, wildcards.seed),
        steering=lambda wildcards: paths.training_direction(wildcards.chain),
    output:
        manifest=paths.of_state("{chain}", "{seed}", "adapter"),
    log:
        f"{LOGS}/induce_misalignment/{STATE_LOG}",
    wildcard_constraints:
        chain=ending_in("induction"),
    priority: lambda wildcards: priorities.of_chain(wildcards.chain)
    conda:
        "../envs/selfsame.yaml"
    threads: reserve("finetune").threads
    resources:
        **reserve("finetune").resources,
    params:
        spec=spec_of(specs.finetune, "chain", "seed"),
        code=digest_of(modules_of("finetune")),
        out=folder,
    shell:
        step("finetune", "base", "dataset", "parents", "steering")


use rule induce_misalignment as sgtr_stage1 with:
    log:
        f"{LOGS}/sgtr_stage1/{STATE_LOG}",
    wildcard_constraints:
        chain=ending_in("identify"),


use rule induce_misalignment as sgtr_stage2 with:
    log:
        f"{LOGS}/sgtr_stage2/{STATE_LOG}",
    wildcard_constraints:
        chain=ending_in("acknowledge"),


use rule induce_misalignment as finetune_control with:
    log:
        f"{LOGS}/finetune_control/{STATE_LOG}",
    wildcard_constraints:
        chain=ending_in(*CONTROLS),
