"""Judge one state's raw answers: observations by metric. Needs no model and no torch.

Run: python workflow_scripts/judge_answers.py --spec JSON --samples MANIFEST
         [--judgements MANIFEST ...] --out DIR
"""

import importlib

from selfsame.step import Step, run


def main(step: Step) -> str:
    """Write observations.parquet; each probe's kind reads its own answers."""
    from selfsame.judging.verdicts import with_judgements
    from selfsame.tables import judgements, parquet
    from selfsame.tables.observations import OBSERVATIONS
    from selfsame.tables.samples import SAMPLES

    samples = step.folder("samples") / "samples.parquet"
    probes, valid = step.spec["probes"], []
    with parquet.writing(step.out / "observations.parquet", OBSERVATIONS) as append:
        for probe, settings in probes.items():
            kind = importlib.import_module(f"selfsame.probes.{settings['kind']}")
            own = parquet.read(samples, SAMPLES, [("probe", "==", probe)])
            if judge := settings.get("judge"):
                asked = judgements.read_of(step.inputs["judgements"], probe, judge)
                own = with_judgements(own, asked)
            found = kind.observe(probe, kind.Options(**settings["options"]), own)
            append(parquet.table_of(found, OBSERVATIONS))
            valid += [row["valid"] for row in found]
    invalid = len(valid) - sum(valid)
    return f"{len(valid)} observations of {len(probes)} probes, {invalid} invalid"


if __name__ == "__main__":
    run(main, inputs=["samples"], lists=["judgements"])
