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
    from selfsame.tables import parquet
    from selfsame.tables.prompts import PROMPTS
    from selfsame.tables.samples import SAMPLES

    spec = step.spec
    keys = {key: spec[key] for key in ("experiment", "model", "chain", "seed")}

    @cache
    def speaker() -> Speaker:
        return load_speaker(step, load_steering(step.inputs["steering"], spec["steering"]))

    def ask(manifest: Path) -> Path:
        def write(folder: Path) -> None:
            prompts = parquet.read(manifest.parent / "prompts.parquet", PROMPTS)
            samples = (keys | row for row in sample_probe(speaker(), prompts, spec["seed"]))
            parquet.write(folder / FILE, samples, SAMPLES)

        return step.part({"prompts": [manifest]}, write) / FILE

    files = [ask(manifest) for manifest in step.inputs["prompts"]]
    answers = pa.concat_tables([parquet.read_table(file, SAMPLES) for file in files])
    pq.write_table(answers, step.out / FILE)
    return f"{len(answers)} answers to {len(files)} probes"


if __name__ == "__main__":
    run(main, inputs=["base"], lists=["adapters", "prompts", "steering"])
