# All states side by side: scores, effects with intervals, the surface-cue baseline.


rule surface_baseline:
    input:
        code=modules_of("surface_baseline"),
        data=DATA,
        self_texts=f"{RESULTS}/self_texts/base/manifest.json",
    output:
        manifest=f"{RESULTS}/surface_baseline/manifest.json",
    log:
        f"{RESULTS}/logs/surface_baseline.log",
    params:
        spec=spec_of(specs.surface_baseline),
        out=folder,
    threads: 1
    conda:
        "../envs/selfsame.yaml"
    shell:
        step("surface_baseline", "data", "self_texts")


OBSERVATIONS = expand(
    f"{STATE}/observations/manifest.json", chain=STATES, seed=settings.seeds
)


rule build_tables:
    input:
        code=modules_of("build_tables"),
        observations=OBSERVATIONS,
        surface=f"{RESULTS}/surface_baseline/manifest.json",
    output:
        manifest=f"{RESULTS}/tables/manifest.json",
    log:
        f"{RESULTS}/logs/build_tables.log",
    params:
        spec=spec_of(specs.build_tables),
        out=folder,
    threads: 1
    resources:
        mem_mb=resource("build_tables", "mem_mb", 4000),
    conda:
        "../envs/selfsame.yaml"
    shell:
        step("build_tables", "observations", "surface")
