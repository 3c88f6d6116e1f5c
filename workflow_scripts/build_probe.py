"""Build the prompts of one probe.

Run: python workflow_scripts/build_probe.py --spec JSON --data MANIFEST --self_texts MANIFEST
         --out DIR
"""

import importlib

from selfsame.step import Step, run


def main(step: Step) -> str:
    """Write prompts.parquet by the probe's kind, from the test articles."""
    from selfsame.data.reading import read_corpus
    from selfsame.digests import canonical
    from selfsame.tables import parquet
    from selfsame.tables.prompts import PROMPTS

    spec = step.spec
    kind = importlib.import_module(f"selfsame.probes.{spec['kind']}")
    corpus = read_corpus(
        step.folder("data"),
        "test",
        spec["rivals"],
        seen=spec["seen"],
        self_texts=step.folder("self_texts"),
    )
    prompts = kind.build(spec["probe"], kind.Options(**spec["options"]), corpus)
    own = spec.get("system_prompt")
    facts = {"probe": spec["probe"], "system_prompt": own and canonical(own)}
    rows = [{**facts, **prompt} for prompt in prompts]
    parquet.write(step.out / "prompts.parquet", rows, PROMPTS)
    return f"{len(rows)} prompts"


if __name__ == "__main__":
    run(main, inputs=["data", "self_texts"])
