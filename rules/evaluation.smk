# Every state is asked every probe; judging is a later step without a model.


def probe_module(wildcards):
    """The module of the probe's kind, which the script loads by name."""
    kind = settings.probes[wildcards.probe].kind
    return modules_of("build_probe", f"selfsame.probes.{kind}")


rule build_probe:
    input:
        code=probe_module,
        data=DATA,
        self_texts=f"{RESULTS}/self_texts/base/manifest.json",
    output:
        manifest=f"{RESULTS}/probes/{{probe}}/manifest.json",
    log:
        f"{RESULTS}/logs/build_probe/{{probe}}.log",
    params:
        spec=spec_of(specs.build_probe, "probe"),
        out=folder,
    threads: 1
    conda:
        "../envs/selfsame.yaml"
    shell:
        step("build_probe", "data", "self_texts")


rule evaluate_behaviour:
    input:
        code=modules_of("evaluate_behaviour"),
        base=BASE_MODEL,
        adapters=lambda wildcards: adapters(wildcards.chain, wildcards.seed),
        prompts=expand(f"{RESULTS}/probes/{{probe}}/manifest.json", probe=settings.probes),
    output:
        manifest=f"{STATE}/samples/manifest.json",
    log:
        f"{RESULTS}/logs/evaluate_behaviour/{{chain}}.seed{{seed}}.log",
    params:
        spec=spec_of(specs.evaluate_behaviour, "chain", "seed"),
        out=folder,
    threads: resource("sample", "threads", 1)
    resources:
        mem_mb=resource("sample", "mem_mb", 4000),
        runtime=resource("sample", "runtime", 120),
        gpu=resource("sample", "gpu", 0),
    conda:
        "../envs/selfsame.yaml"
    shell:
        step("evaluate_behaviour", "base", "adapters", "prompts")


rule judge_answers:
    input:
        code=modules_of(
            "judge_answers",
            *{f"selfsame.probes.{probe.kind}" for probe in settings.probes.values()},
        ),
        samples=f"{STATE}/samples/manifest.json",
    output:
        manifest=f"{STATE}/observations/manifest.json",
    log:
        f"{RESULTS}/logs/judge_answers/{{chain}}.seed{{seed}}.log",
    params:
        spec=spec_of(specs.judge_answers),
        out=folder,
    threads: 1
    conda:
        "../envs/selfsame.yaml"
    shell:
        step("judge_answers", "samples")
