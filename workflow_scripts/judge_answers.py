"""Judge one state's raw answers: observations by metric. Needs no model and no torch.

Run: python workflow_scripts/judge_answers.py --spec JSON --samples MANIFEST --out DIR
"""

import importlib

from selfsame.step import Step, run


def main(step: Step) -> str:
    """Write observations.parquet; each probe's kind reads its own answers."""
    from selfsame.tables import schemas

    samples = schemas.read(step.folder("samples") / "samples.parquet", schemas.SAMPLES)
    observations = []
    for probe, settings in step.spec["probes"].items():
        kind = importlib.import_module(f"selfsame.probes.{settings['kind']}")
        own = [sample for sample in samples if sample["probe"] == probe]
        observations += kind.observe(probe, kind.Options(**settings["options"]), own)
    schemas.write(step.out / "observations.parquet", observations, schemas.OBSERVATIONS)
    primary = [row for row in observations if row["metric"] == step.spec["primary_metric"]]
    values = [row["value"] for row in primary if row["valid"]]
    share = f"{sum(values) / len(values):.0%} of {len(values)}" if values else "not measured"
    return f"{step.spec['primary_metric']} {share} ({len(primary) - len(values)} invalid)"


if __name__ == "__main__":
    run(main, inputs=["samples"])
