# The stages of a chain. Each has its rows (build_pairs) and one finetune on top of its parents;
# the finetunes are one rule under the names of the method.


def self_text_author(chain, seed):
    """Whose texts count as `self` in the last stage of a chain; None where it uses none."""
    data = settings.stages[chains.stages_of(chain)[-1]].data
    author = getattr(data, "author", None)
    if author == "parent" and chains.parent(chain) != chains.BASE:
        return f"{chains.parent(chain)}.seed{seed}"
    return author and chains.BASE


def self_texts_of(wildcards):
    """The self texts that a dataset is built from, where it needs any."""
    author = self_text_author(wildcards.dataset, wildcards.seed)
    return [f"{RESULTS}/self_texts/{author}/manifest.json"] if author else []


def dataset(wildcards):
    """A stage's rows: shared by all chains, or the chain's own where its parent is the author."""
    author = self_text_author(wildcards.chain, wildcards.seed)
    own = author not in (None, chains.BASE)
    name = wildcards.chain if own else chains.stages_of(wildcards.chain)[-1]
    return f"{RESULTS}/datasets/{name}/seed{wildcards.seed}/manifest.json"


def stage_module(wildcards):
    """The module of the stage's kind, which the script loads by name."""
    kind = settings.stages[chains.stages_of(wildcards.dataset)[-1]].kind
    return modules_of("build_pairs", f"selfsame.stages.{kind}")


rule build_pairs:
    input:
        code=stage_module,
        data=DATA,
        self_texts=self_texts_of,
    output:
        manifest=f"{RESULTS}/datasets/{{dataset}}/seed{{seed}}/manifest.json",
    log:
        f"{RESULTS}/logs/build_pairs/{{dataset}}.seed{{seed}}.log",
    wildcard_constraints:
        dataset="[a-z0-9_+]+",
    params:
        spec=spec_of(specs.build_pairs, "dataset", "seed"),
        out=folder,
    threads: 1
    conda:
        "../envs/selfsame.yaml"
    shell:
        step("build_pairs", "data", "self_texts")


def parents(wildcards):
    """Adapters of the stages before the last one."""
    return adapters(wildcards.chain, wildcards.seed)[:-1]


def chains_ending_in(*kinds):
    """A constraint on `chain`: its last stage is of one of these kinds."""
    return any_of(
        chain
        for chain in STATES
        if chain != chains.BASE
        and settings.stages[chains.stages_of(chain)[-1]].kind in kinds
    )


CONTROLS = {stage.kind for stage in settings.stages.values()} - {
    "induction",
    "identify",
    "acknowledge",
}


rule induce_misalignment:
    input:
        code=modules_of("finetune"),
        base=BASE_MODEL,
        dataset=dataset,
        parents=parents,
    output:
        manifest=f"{STATE}/adapter/manifest.json",
    log:
        f"{RESULTS}/logs/induce_misalignment/{{chain}}.seed{{seed}}.log",
    wildcard_constraints:
        chain=chains_ending_in("induction"),
    params:
        spec=spec_of(specs.finetune, "chain", "seed"),
        out=folder,
    threads: resource("finetune", "threads", 1)
    resources:
        mem_mb=resource("finetune", "mem_mb", 4000),
        runtime=resource("finetune", "runtime", 240),
        gpu=resource("finetune", "gpu", 0),
    conda:
        "../envs/selfsame.yaml"
    shell:
        step("finetune", "base", "dataset", "parents")


use rule induce_misalignment as sgtr_stage1 with:
    wildcard_constraints:
        chain=chains_ending_in("identify"),
    log:
        f"{RESULTS}/logs/sgtr_stage1/{{chain}}.seed{{seed}}.log",


use rule induce_misalignment as sgtr_stage2 with:
    wildcard_constraints:
        chain=chains_ending_in("acknowledge"),
    log:
        f"{RESULTS}/logs/sgtr_stage2/{{chain}}.seed{{seed}}.log",


use rule induce_misalignment as finetune_control with:
    wildcard_constraints:
        chain=chains_ending_in(*CONTROLS),
    log:
        f"{RESULTS}/logs/finetune_control/{{chain}}.seed{{seed}}.log",
