# Articles, rival texts, chat rows, questions; and what the model under study writes itself.


rule prepare_data:
    input:
        code=modules_of("prepare_data"),
        files=specs.user_files(settings),
    output:
        manifest=DATA,
    log:
        f"{RESULTS}/logs/prepare_data.log",
    params:
        spec=spec_of(specs.prepare_data),
        out=folder,
    threads: 1
    conda:
        "../envs/selfsame.yaml"
    shell:
        step("prepare_data", "files")


def author_adapters(wildcards):
    """The chain of the state that writes; none for the base model."""
    if wildcards.author == chains.BASE:
        return []
    chain, seed = wildcards.author.split(".seed")
    return adapters(chain, seed)


rule collect_self_texts:
    input:
        code=modules_of("collect_self_texts"),
        base=BASE_MODEL,
        data=DATA,
        adapters=author_adapters,
    output:
        manifest=f"{RESULTS}/self_texts/{{author}}/manifest.json",
    log:
        f"{RESULTS}/logs/collect_self_texts/{{author}}.log",
    wildcard_constraints:
        author=r"base|[a-z0-9_+]+\.seed\d+",
    params:
        spec=spec_of(specs.collect_self_texts, "author"),
        out=folder,
    threads: resource("collect_self_texts", "threads", 1)
    resources:
        mem_mb=resource("collect_self_texts", "mem_mb", 4000),
        runtime=resource("collect_self_texts", "runtime", 120),
        gpu=resource("collect_self_texts", "gpu", 0),
    conda:
        "../envs/selfsame.yaml"
    shell:
        step("collect_self_texts", "base", "data", "adapters")
