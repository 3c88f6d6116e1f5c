"""Read one state on the evaluation questions of every trait: activations and answers, no judging.

Run: python workflow_scripts/evaluate_persona.py --spec JSON --base MANIFEST
         [--adapters MANIFEST ...] --out DIR
"""

from selfsame.step import Step, run


def main(step: Step) -> str:
    """Write answers.parquet and hidden.safetensors; base and state are read on one loaded model."""
    from dataclasses import replace

    from safetensors.torch import save_file

    from selfsame.persona.activations import state_activations
    from selfsame.persona.storage import HIDDEN
    from selfsame.sampling.state import load_speaker
    from selfsame.tables import schemas

    spec = step.spec
    base = load_speaker(replace(step, inputs={**step.inputs, "adapters": []}))
    adapters = [path.parent for path in step.inputs["adapters"]]
    rows, tensors = state_activations(base, adapters, spec)
    keys = {key: spec[key] for key in ("experiment", "model", "chain", "seed")}
    rows = [keys | row for row in rows]
    schemas.write(step.out / "answers.parquet", rows, schemas.PERSONA_ANSWERS)
    save_file(tensors, step.out / HIDDEN)
    return f"{len(rows)} answers on {len(spec['traits'])} traits"


if __name__ == "__main__":
    run(main, inputs=["base"], lists=["adapters"])
