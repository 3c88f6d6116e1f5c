# All states side by side: scores, effects with intervals, the surface-cue baseline.


rule surface_baseline:
    input:
        code=modules_of("surface_baseline"),
        data=paths.manifest("data"),
        self_texts=paths.self_texts("base"),
    output:
        manifest=paths.manifest("surface_baseline"),
    log:
        f"{LOGS}/surface_baseline.log",
    conda:
        "../envs/selfsame.yaml"
    threads: reserve("light").threads
    resources:
        **reserve("light").resources,
    params:
        spec=spec_of(specs.surface_baseline),
        code=digest_of(modules_of("surface_baseline")),
        out=folder,
    shell:
        step("surface_baseline", "data", "self_texts")


rule build_tables:
    input:
        code=modules_of("build_tables"),
        observations=paths.of_all_states("observations"),
        surface=paths.manifest("surface_baseline"),
        measures=paths.measures(),
        relapse=paths.relapse_observations(),
        judgements=paths.all_judgements(),
    output:
        manifest=paths.manifest("tables"),
    log:
        f"{LOGS}/build_tables.log",
    conda:
        "../envs/selfsame.yaml"
    threads: reserve("tables").threads
    resources:
        **reserve("tables").resources,
    params:
        spec=spec_of(specs.build_tables),
        code=digest_of(modules_of("build_tables")),
        out=folder,
        observations=short("observations"),
        judgements=short("judgements"),
    shell:
        step(
            "build_tables",
            "surface",
            "measures",
            "relapse",
            over_all_states=["observations", "judgements"],
        )
