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


rule cluster_identities:
    input:
        code=cluster_identities_code(),
        samples=paths.of_all_states("samples"),
        model=paths.embedding_files(),
    output:
        manifest=paths.manifest("identity_clusters"),
    log:
        f"{LOGS}/cluster_identities.log",
    conda:
        "../envs/selfsame.yaml"
    threads: reserve("sample" if paths.embedding_models() else "tables").threads
    resources:
        **reserve("sample" if paths.embedding_models() else "tables").resources,
    params:
        spec=spec_of(probe_specs.cluster_identities),
        code=digest_of(cluster_identities_code()),
        out=folder,
        samples=short("samples"),
    shell:
        step("cluster_identities", "model", over_all_states=["samples"])


rule build_tables:
    input:
        code=modules_of("build_tables"),
        observations=paths.of_all_states("observations"),
        surface=paths.manifest("surface_baseline"),
        measures=paths.measures(),
        relapse=paths.relapse_observations(),
        judgements=paths.all_judgements(),
        benchmarks=paths.benchmarks(),
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
        benchmarks=short("benchmarks"),
    shell:
        step(
            "build_tables",
            "surface",
            "measures",
            "relapse",
            over_all_states=["observations", "judgements", "benchmarks"],
        )
