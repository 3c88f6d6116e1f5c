# What a person reads: figures and one self-contained page.
FINETUNED = [chain for chain in STATES if chain != chains.BASE]


rule report:
    input:
        code=modules_of("report"),
        templates="workflow_scripts/selfsame/reporting/templates/report.html.j2",
        tables=f"{RESULTS}/tables/manifest.json",
        base=BASE_MODEL,
        prompts=expand(f"{RESULTS}/probes/{{probe}}/manifest.json", probe=settings.probes),
        samples=expand(f"{STATE}/samples/manifest.json", chain=STATES, seed=settings.seeds),
        adapters=expand(
            f"{STATE}/adapter/manifest.json", chain=FINETUNED, seed=settings.seeds
        ),
    output:
        manifest=f"{RESULTS}/report/manifest.json",
        page=f"{RESULTS}/report.html",
    log:
        f"{RESULTS}/logs/report.log",
    params:
        spec=spec_of(specs.report),
        out=folder,
    threads: 1
    conda:
        "../envs/selfsame.yaml"
    shell:
        step("report", "tables", "base", "prompts", "samples", "adapters")
        + " && cp {params.out:q}/report.html {output.page:q}"
