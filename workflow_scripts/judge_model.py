"""Find and check the Hugging Face model of a local judge.

Run: python workflow_scripts/judge_model.py --spec '{"path": ...}' --out DIR
"""

from selfsame.step import Step, run


def main(step: Step) -> str:
    """Write nothing but the manifest: where the model's files lie, and their digest."""
    from selfsame.models.trial import find

    step.notes["model"] = find(step.spec)
    return f"found {step.notes['model']['path']}"


if __name__ == "__main__":
    # A model found on this disk stays where it is.
    run(main, kept=lambda spec: False)
