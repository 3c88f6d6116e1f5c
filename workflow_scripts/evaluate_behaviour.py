"""Ask one state every probe; the model is loaded once. Raw answers only, no judging.

Each probe's answers are kept by themselves: another probe, or a changed one, is asked alone.

Run: python workflow_scripts/evaluate_behaviour.py --spec JSON --base MANIFEST
         [--adapters MANIFEST ...] [--steering MANIFEST MANIFEST] --prompts MANIFEST ... --out DIR
"""

from pathlib import Path

from selfsame.step import Step, run

FILE = "samples.parquet"


def main(step: Step) -> str:
    """Write samples.parquet."""
    from functools import cache

    import pyarrow as pa
    import pyarrow.parquet as pq

    from selfsame.persona.directions import load_steering
    from selfsame.sampling.state import Speaker, load_speaker, sample_probe
    from selfsame.tables import schemas

    spec = step.spec
    keys = {key: spec[key] for key in ("experiment", "model", "chain", "seed")}

    @cache
    def speaker() -> Speaker:
        return load_speaker(step, load_steering(step.inputs["steering"], spec["steering"]))

    def ask(manifest: Path) -> Path:
        def write(folder: Path) -> None:
            prompts = schemas.read(manifest.parent / "prompts.parquet", schemas.PROMPTS)
            samples = (keys | row for row in sample_probe(speaker(), prompts, spec["seed"]))
            schemas.write(folder / FILE, samples, schemas.SAMPLES)

        return step.part({"prompts": [manifest]}, write) / FILE

    files = [ask(manifest) for manifest in step.inputs["prompts"]]
    answers = pa.concat_tables([schemas.read_table(file, schemas.SAMPLES) for file in files])
    pq.write_table(answers, step.out / FILE)
    return f"{len(answers)} answers to {len(files)} probes"


if __name__ == "__main__":
    run(main, inputs=["base"], lists=["adapters", "prompts", "steering"])
