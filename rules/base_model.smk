# The base model: an organism trained here, or a Hugging Face model that is found and checked.


rule base_model:
    input:
        code=modules_of("base_model"),
        model=model_files(),
    output:
        manifest=BASE_MODEL,
    log:
        f"{RESULTS}/logs/base_model.log",
    params:
        spec=spec_of(specs.base_model),
        out=folder,
    threads: resource("base_model", "threads", 2)
    resources:
        mem_mb=resource("base_model", "mem_mb", 4000),
        runtime=resource("base_model", "runtime", 60),
    conda:
        "../envs/selfsame.yaml"
    shell:
        step("base_model")
