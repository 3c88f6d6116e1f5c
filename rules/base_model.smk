# The base model: an organism trained here, or a Hugging Face model that is found and checked.


rule base_model:
    input:
        code=modules_of("base_model"),
        model=paths.model_files(),
    output:
        manifest=paths.manifest("base_model"),
    log:
        f"{LOGS}/base_model.log",
    priority: priorities.of_chain("base")
    conda:
        "../envs/selfsame.yaml"
    threads: reserve("base_model").threads
    resources:
        **reserve("base_model").resources,
    params:
        spec=spec_of(specs.base_model),
        code=digest_of(modules_of("base_model")),
        out=folder,
    shell:
        step("base_model")
