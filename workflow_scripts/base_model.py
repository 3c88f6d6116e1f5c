"""Train the organism's base model, or find and check a Hugging Face one.

Run: python workflow_scripts/base_model.py --spec '{"organism": {...}}' --out DIR
"""

from selfsame.step import Step, run


def main(step: Step) -> str:
    """Write the model's files (organism), or only where they lie and their digest (hf)."""
    from selfsame.models.trial import find
    from selfsame.organism.pretrain import pretrain
    from selfsame.organism.settings import OrganismSettings

    if "organism" in step.spec:
        settings = OrganismSettings(**step.spec["organism"])
        facts = pretrain(settings, step.out, step.threads)
        step.notes["pretraining"] = facts
        return f"trained on {facts['tokens']:,} tokens, loss {facts['loss']:.3f}"
    step.notes["model"] = find(step.spec["hf"])
    return f"found {step.notes['model']['path']}"


if __name__ == "__main__":
    # A model found on this disk stays where it is: only one that was trained is kept.
    run(main, kept=lambda spec: "organism" in spec)
