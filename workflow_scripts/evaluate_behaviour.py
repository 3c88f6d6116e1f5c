"""Ask one state every probe; the model is loaded once. Raw answers only, no judging.

Run: python workflow_scripts/evaluate_behaviour.py --spec JSON --base MANIFEST
         [--adapters MANIFEST ...] [--steering MANIFEST MANIFEST] --prompts MANIFEST ... --out DIR
"""

from selfsame.step import Step, run


def main(step: Step) -> str:
    """Write samples.parquet."""
    from selfsame.persona.directions import load_steering
    from selfsame.sampling.state import load_speaker, sample_probe
    from selfsame.tables import schemas

    spec = step.spec
    speaker = load_speaker(step, load_steering(step.inputs["steering"], spec["steering"]))
    keys = {key: spec[key] for key in ("experiment", "model", "chain", "seed")}
    samples = []
    for manifest in step.inputs["prompts"]:
        prompts = schemas.read(manifest.parent / "prompts.parquet", schemas.PROMPTS)
        samples += [keys | row for row in sample_probe(speaker, prompts, spec["seed"])]
    schemas.write(step.out / "samples.parquet", samples, schemas.SAMPLES)
    return f"{len(samples)} answers to {len(step.inputs['prompts'])} probes"


if __name__ == "__main__":
    run(main, inputs=["base"], lists=["adapters", "prompts", "steering"])
