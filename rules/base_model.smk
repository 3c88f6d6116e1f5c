# The base model: an organism trained here, or a Hugging Face model that is found and checked.


rule base_model:
    input:
        code=modules_of("base_model"),
        model=paths.model_files(),
    output:
        manifest=paths.manifest("base_model"),
    log:
        f"{LOGS}/base_model.log",
    conda:
        "../envs/selfsame.yaml"
    threads: resource("base_model", "threads", 2)
    resources:
        mem_mb=resource("base_model", "mem_mb", 4000),
        runtime=resource("base_model", "runtime", 60),
    params:
        spec=spec_of(specs.base_model),
        out=folder,
    shell:
        step("base_model")
