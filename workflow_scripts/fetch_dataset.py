"""Bring one dataset of the registry into its folder, checked against its digest.

Run: python workflow_scripts/fetch_dataset.py --spec JSON [--local FILE] --out DIR
"""

from typing import Any

from selfsame.step import Step, run


def main(step: Step) -> str:
    """Write the dataset's file and source.json."""
    from selfsame.fetching.fetch import fetch

    return fetch(step.spec, step.inputs["local"], step.final, step.out)


def is_kept(spec: dict[str, Any]) -> bool:
    """The cache may answer for what is pinned, and needs no copy of what is on the disk."""
    return "path" not in spec and (spec["sha256"] is not None or "hub" in spec)


if __name__ == "__main__":
    run(main, lists=["local"], kept=is_kept)
