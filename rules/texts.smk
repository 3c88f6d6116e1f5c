# Articles, rival texts, chat rows, questions; and what the model under study writes itself.


rule prepare_data:
    input:
        code=modules_of("prepare_data"),
        files=specs.user_files(settings),
    output:
        manifest=paths.manifest("data"),
    log:
        f"{LOGS}/prepare_data.log",
    conda:
        "../envs/selfsame.yaml"
    threads: 1
    params:
        spec=spec_of(specs.prepare_data),
        out=folder,
    shell:
        step("prepare_data", "files")


rule collect_self_texts:
    input:
        code=modules_of("collect_self_texts"),
        base=paths.manifest("base_model"),
        data=paths.manifest("data"),
        adapters=lambda wildcards: paths.author_adapters(wildcards.author),
    output:
        manifest=paths.self_texts("{author}"),
    log:
        f"{LOGS}/collect_self_texts/{{author}}.log",
    conda:
        "../envs/selfsame.yaml"
    threads: resource("collect_self_texts", "threads", 1)
    resources:
        mem_mb=resource("collect_self_texts", "mem_mb", 4000),
        runtime=resource("collect_self_texts", "runtime", 120),
        gpu=resource("collect_self_texts", "gpu", 0),
    params:
        spec=spec_of(specs.collect_self_texts, "author"),
        out=folder,
    shell:
        step("collect_self_texts", "base", "data", "adapters")
