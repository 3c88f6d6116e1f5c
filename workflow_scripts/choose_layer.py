"""Choose the layer and strength whose steering moves a trait most. Needs no model and no torch.

Run: python workflow_scripts/choose_layer.py --spec JSON --sweep MANIFEST --data MANIFEST --out DIR
"""

from selfsame.step import Step, run


def main(step: Step) -> str:
    """Write sweep.parquet and choice.json; only extraction questions are looked at."""
    import pandas as pd

    from selfsame.persona.layer_choice import choose, sweep_table, write_choice
    from selfsame.persona.scoring import read_judge, score_answers
    from selfsame.persona.storage import CHOICE
    from selfsame.tables import parquet
    from selfsame.tables.steering_sweep import STEERING_SWEEP

    spec = step.spec
    samples = pd.read_parquet(step.folder("sweep") / "samples.parquet")
    judge = read_judge(spec["trait"], spec["judge"], spec["names"], step.folder("data"))
    sweep = sweep_table(samples, score_answers(judge, samples, spec["extraction_questions"]))
    choice = choose(sweep, spec["max_incoherent"])
    parquet.write_frame(step.out / "sweep.parquet", sweep, STEERING_SWEEP)
    write_choice(step.out / CHOICE, choice)
    if not choice.moved:
        return f"no layer moves the trait; layer {choice.layer} by default"
    moved = f"trait score {choice.score_unsteered:.0f} to {choice.trait_score:.0f}"
    against = " against it" if choice.sign < 0 else ""
    return f"layer {choice.layer}, {choice.alpha:g} lengths{against}: {moved}"


if __name__ == "__main__":
    run(main, inputs=["sweep", "data"])
