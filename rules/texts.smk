# Articles, rival texts, chat rows, questions; and what the model under study writes itself.


rule prepare_data:
    input:
        code=modules_of("prepare_data"),
        files=specs.user_files(settings),
        datasets=paths.datasets(),
    output:
        manifest=paths.manifest("data"),
    log:
        f"{LOGS}/prepare_data.log",
    priority: priorities.of_chain("base")
    conda:
        "../envs/selfsame.yaml"
    threads: reserve("light").threads
    resources:
        **reserve("light").resources,
    params:
        spec=spec_of(specs.prepare_data),
        code=digest_of(modules_of("prepare_data")),
        out=folder,
    shell:
        step("prepare_data", "files", "datasets")


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
    priority: lambda wildcards: priorities.of_author(wildcards.author)
    conda:
        "../envs/selfsame.yaml"
    threads: reserve("collect_self_texts").threads
    resources:
        **reserve("collect_self_texts").resources,
    params:
        spec=spec_of(specs.collect_self_texts, "author"),
        code=digest_of(modules_of("collect_self_texts")),
        out=folder,
    shell:
        step("collect_self_texts", "base", "data", "adapters")
