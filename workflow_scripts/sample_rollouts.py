"""Ask the base model a trait's extraction questions under its instructions, and read it meanwhile.

Run: python workflow_scripts/sample_rollouts.py --spec JSON --base MANIFEST --out DIR
"""

from selfsame.step import Step, run


def main(step: Step) -> str:
    """Write rollouts.parquet and hidden.safetensors; nothing is judged."""
    from selfsame.persona.activations import rollouts
    from selfsame.persona.storage import HIDDEN
    from selfsame.sampling.state import load_speaker
    from selfsame.tables import parquet
    from selfsame.tables.rollouts import ROLLOUTS

    spec = step.spec
    rows = rollouts(load_speaker(step), spec, step.out / HIDDEN)
    keys = {key: spec[key] for key in ("experiment", "model", "trait")}
    parquet.write(step.out / "rollouts.parquet", [keys | row for row in rows], ROLLOUTS)
    return f"{len(rows)} answers under {len(spec['positive']) + len(spec['negative'])} instructions"


if __name__ == "__main__":
    run(main, inputs=["base"])
