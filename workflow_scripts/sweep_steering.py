"""Steer the base model along a trait's vector at every layer and strength. Raw answers only.

Run: python workflow_scripts/sweep_steering.py --spec JSON --base MANIFEST --vectors MANIFEST
         --out DIR
"""

from selfsame.step import Step, run


def main(step: Step) -> str:
    """Write samples.parquet."""
    from safetensors.torch import load_file

    from selfsame.persona.storage import RESPONSE_MEAN, VECTORS
    from selfsame.persona.sweep import sweep
    from selfsame.sampling.state import load_speaker
    from selfsame.tables import parquet
    from selfsame.tables.sweep_samples import SWEEP_SAMPLES

    spec = step.spec
    vectors = load_file(step.folder("vectors") / VECTORS)[RESPONSE_MEAN]
    rows = sweep(load_speaker(step), vectors, spec)
    keys = {key: spec[key] for key in ("experiment", "model", "trait")}
    parquet.write(step.out / "samples.parquet", [keys | row for row in rows], SWEEP_SAMPLES)
    tried = {(row["layer"], row["alpha"]) for row in rows}
    return f"{len(rows)} answers at {len(tried) - 1} layers and strengths"


if __name__ == "__main__":
    run(main, inputs=["base", "vectors"])
