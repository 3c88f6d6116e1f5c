"""Read one state on the evaluation questions of every trait: activations and answers, no judging.

Run: python workflow_scripts/evaluate_persona.py --spec JSON --base MANIFEST
         [--adapters MANIFEST ...] --out DIR
"""

from selfsame.step import Step, run


def main(step: Step) -> str:
    """Write answers.parquet and hidden.safetensors; base and state are read on one loaded model."""
    from dataclasses import replace

    from selfsame.models.lineage import folders_of
    from selfsame.persona.activations import state_activations
    from selfsame.persona.storage import HIDDEN
    from selfsame.sampling.state import load_speaker
    from selfsame.tables import parquet
    from selfsame.tables.persona_answers import PERSONA_ANSWERS

    spec = step.spec
    base = load_speaker(replace(step, inputs={**step.inputs, "adapters": []}))
    adapters = folders_of(step.path("base"), step.inputs["adapters"])
    rows = state_activations(base, adapters, spec, step.out / HIDDEN)
    keys = {key: spec[key] for key in ("experiment", "model", "chain", "seed")}
    rows = [keys | row for row in rows]
    parquet.write(step.out / "answers.parquet", rows, PERSONA_ANSWERS)
    return f"{len(rows)} answers on {len(spec['traits'])} traits"


if __name__ == "__main__":
    run(main, inputs=["base"], lists=["adapters"])
