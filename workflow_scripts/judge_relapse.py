"""Judge the answers of all relapsing states. Needs no model and no torch.

Run: python workflow_scripts/judge_relapse.py --spec JSON --samples MANIFEST ...
         [--judgements MANIFEST ...] --out DIR
"""

import importlib
from itertools import zip_longest

from selfsame.step import Step, run


def main(step: Step) -> str:
    """Write observations.parquet, with the dose of each."""
    from selfsame.judging.verdicts import with_judgements
    from selfsame.tables import judgements, parquet
    from selfsame.tables.relapse_observations import RELAPSE_OBSERVATIONS
    from selfsame.tables.relapse_samples import RELAPSE_SAMPLES

    spec, schema, total = step.spec, RELAPSE_OBSERVATIONS, 0
    kind = importlib.import_module(f"selfsame.probes.{spec['kind']}")
    options = kind.Options(**spec["options"])
    with parquet.writing(step.out / "observations.parquet", schema) as append:
        for manifest, judged in zip_longest(step.inputs["samples"], step.inputs["judgements"]):
            samples = parquet.read(manifest.parent / "samples.parquet", RELAPSE_SAMPLES)
            if judged is not None:
                asked = judgements.read_of([judged], spec["probe"], spec["judge"])
                samples = with_judgements(samples, asked)
            for dose in sorted({sample["dose"] for sample in samples}):
                at_dose = [sample for sample in samples if sample["dose"] == dose]
                found = kind.observe(spec["probe"], options, at_dose)
                append(parquet.table_of([row | {"dose": dose} for row in found], schema))
                total += len(found)
    return f"{total} observations of {len(step.inputs['samples'])} states"


if __name__ == "__main__":
    run(main, lists=["samples", "judgements"])
