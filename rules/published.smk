# Answers that others published, under our statistics. Needs nothing else of the experiment:
#
#   snakemake --cores 1 --config experiment=published -- published_numbers


rule published_numbers:
    input:
        code=modules_of("published_numbers"),
        answers=[settings.published.file] if settings.published else [],
    output:
        manifest=paths.manifest("published"),
    log:
        f"{LOGS}/published_numbers.log",
    conda:
        "../envs/selfsame.yaml"
    threads: reserve("tables").threads
    resources:
        **reserve("tables").resources,
    params:
        spec=spec_of(specs.published_numbers),
        code=digest_of(modules_of("published_numbers")),
        out=folder,
    shell:
        step("published_numbers", "answers")
