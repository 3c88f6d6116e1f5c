# Datasets of the registry: fetched once, for all experiments, into results/datasets/<name>/.


rule fetch_dataset:
    input:
        code=modules_of("fetch_dataset"),
        local=lambda wildcards: specs.local_file(settings, wildcards.name),
    output:
        manifest=paths.fetched("{name}"),
    log:
        f"{LOGS}/fetch_dataset/{{name}}.log",
    priority: priorities.of_chain("base")
    # Where the workflow itself runs: on a cluster, compute nodes often have no network.
    localrule: True
    conda:
        "../envs/selfsame.yaml"
    threads: reserve("light").threads
    resources:
        **reserve("light").resources,
    params:
        spec=spec_of(specs.fetch_dataset, "name"),
        code=digest_of(modules_of("fetch_dataset")),
        out=folder,
    shell:
        step("fetch_dataset", "local")


# Every dataset of the experiment, and nothing else: `snakemake --cores 1 -- datasets`.
rule datasets:
    input:
        paths.datasets(),
    localrule: True
