"""Finetune one stage on top of its chain: a LoRA adapter, its model card and its loss curve.

Run: python workflow_scripts/finetune.py --spec JSON --base MANIFEST --dataset MANIFEST
         [--parents MANIFEST ...] [--steering MANIFEST MANIFEST] --out DIR
An interrupted finetune goes on from DIR/.checkpoint.
"""

from selfsame.step import Step, run


def main(step: Step) -> str:
    """Train on the dataset with the parents merged in memory."""
    from selfsame.models.base import base_folder
    from selfsame.models.lineage import TRAINED_ON, contents_of, folders_of
    from selfsame.models.settings import Loading, parse_system
    from selfsame.persona.directions import load_steering
    from selfsame.tables import parquet
    from selfsame.tables.dataset import DATASET
    from selfsame.training.finetune import finetune
    from selfsame.training.settings import FinetuningSettings

    spec, trained_on = step.spec, (step.path("base"), step.inputs["parents"])
    step.notes[TRAINED_ON] = contents_of(*trained_on)
    result = finetune(
        base_folder(step.path("base")),
        folders_of(*trained_on),
        parquet.read(step.folder("dataset") / "dataset.parquet", DATASET),
        FinetuningSettings(**spec["finetuning"]),
        spec["seed"],
        parse_system(spec["system_prompt"]),
        step.out,
        chain=spec["chain"],
        misaligned=spec["misaligned"],
        threads=step.threads,
        loading=Loading(**spec, gpus=step.gpus),
        base_name=spec["model"],
        checkpoints=step.final / ".checkpoint",
        code=step.code,
        steering=load_steering(step.inputs["steering"], spec["finetuning"]["steering"]),
        notes=step.notes,
    )
    return f"loss {result.first_loss:.2f} to {result.last_loss:.2f} in {result.steps} steps"


if __name__ == "__main__":
    run(main, inputs=["base", "dataset"], lists=["parents", "steering"])
