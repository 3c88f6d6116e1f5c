"""Put all states beside the persona vectors, and the vectors beside their nulls. No torch.

Run: python workflow_scripts/measure_persona.py --spec JSON --data MANIFEST --rollouts MANIFEST ...
         --vectors MANIFEST ... --layers MANIFEST ... --states MANIFEST ... --out DIR
"""

from selfsame.step import Step, run


def main(step: Step) -> str:
    """Write one parquet a table, and choices.json."""
    import json

    from selfsame.persona.measures import measure, read_traits

    traits = read_traits(step.spec, step.folder("data"), step.inputs)
    measure(step.spec, traits, [path.parent for path in step.inputs["states"]], step.out)
    choices = [trait.choice.model_dump(mode="json") for trait in traits.values()]
    (step.out / "choices.json").write_text(json.dumps(choices, indent=1) + "\n", encoding="utf-8")
    return f"{len(step.inputs['states'])} states along {len(traits)} traits' vectors"


if __name__ == "__main__":
    run(main, inputs=["data"], lists=["rollouts", "vectors", "layers", "states"])
