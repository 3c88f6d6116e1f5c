"""Induce a state's misalignment afresh, and ask it again at every dose. Raw answers only.

Run: python workflow_scripts/relapse.py --spec JSON --base MANIFEST [--adapters MANIFEST ...]
         --dataset MANIFEST --prompts MANIFEST --out DIR
"""

from selfsame.step import Step, run


def main(step: Step) -> str:
    """Write samples.parquet: the primary metric's probe at each dose."""
    from typing import Any

    from selfsame.models.settings import parse_system
    from selfsame.sampling.state import Speaker, load_speaker, sample_probe
    from selfsame.tables import parquet
    from selfsame.tables.dataset import DATASET
    from selfsame.tables.prompts import PROMPTS
    from selfsame.tables.relapse_samples import RELAPSE_SAMPLES
    from selfsame.training.relapse import relapse
    from selfsame.training.settings import FinetuningSettings

    spec = step.spec
    prompts = parquet.read(step.folder("prompts") / "prompts.parquet", PROMPTS)
    prompts = [row | {"samples": min(row["samples"], spec["samples"])} for row in prompts]
    keys = {key: spec[key] for key in ("experiment", "model", "chain", "seed")}
    samples: list[dict[str, Any]] = []

    def measure(speaker: Speaker, dose: int) -> None:
        rows = sample_probe(speaker, prompts, spec["seed"])
        samples.extend(keys | row | {"dose": dose} for row in rows)

    relapse(
        load_speaker(step),
        parquet.read(step.folder("dataset") / "dataset.parquet", DATASET),
        FinetuningSettings(**spec["finetuning"]),
        doses=spec["doses"],
        seed=spec["seed"],
        system=parse_system(spec.get("training_system_prompt", spec["system_prompt"])),
        measure=measure,
    )
    parquet.write(step.out / "samples.parquet", samples, RELAPSE_SAMPLES)
    return f"{len(samples)} answers at {len(spec['doses'])} doses"


if __name__ == "__main__":
    run(main, inputs=["base", "dataset", "prompts"], lists=["adapters"])
