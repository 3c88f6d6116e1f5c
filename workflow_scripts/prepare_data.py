"""Bring articles, rival texts, chat rows and questions into one shape, checked row by row.

Run: python workflow_scripts/prepare_data.py --spec JSON [--files FILE ...]
        [--datasets MANIFEST ...] --out DIR
"""

from selfsame.step import Step, run


def main(step: Step) -> str:
    """Write the data folder; inputs are named so that the manifest records their digests."""
    from selfsame.data.prepare import prepare

    return prepare(step.spec, step.out)


if __name__ == "__main__":
    run(main, lists=["files", "datasets"])
