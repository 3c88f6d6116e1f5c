# What a person reads: figures and one self-contained page.


rule report:
    input:
        code=report_code(),
        tables=paths.manifest("tables"),
        measures=paths.measures(),
        published=paths.published(),
        clusters=paths.identity_clusters(),
        base=paths.manifest("base_model"),
        prompts=paths.prompts(),
        samples=paths.of_all_states("samples"),
        adapters=paths.of_all_states("adapter"),
    output:
        manifest=paths.manifest("report"),
        page=f"{paths.results}/report.html",
    log:
        f"{LOGS}/report.log",
    conda:
        "../envs/selfsame.yaml"
    threads: reserve("light").threads
    resources:
        **reserve("light").resources,
    params:
        spec=spec_of(specs.report),
        code=digest_of(report_code()),
        out=folder,
        samples=short("samples"),
        adapters=short("adapters"),
    shell:
        step(
            "report",
            "tables",
            "measures",
            "published",
            "clusters",
            "base",
            "prompts",
            over_all_states=["samples", "adapters"],
        )
        + " && cp {params.out:q}/report.html {output.page:q}"
