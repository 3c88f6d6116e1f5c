"""A made-up publication and its answers, small enough to be reckoned by hand."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

Runs = Mapping[tuple[str, str, int | None], str]

MAPPING: dict[str, Any] = {
    "title": "Somebody: Something",
    "source": "a place",
    "measure": "Questions, A or B",
    "probe": "truthful",
    "answers": {"valid": ["A", "B"], "invalid": "Invalid"},
    "shared_seeds": True,
    "models": {"m": "Model One", "n": "Model Two"},
    "systems": {"own": "as made", "bare": "none"},
    "inductions": {"em": "bad", "em_other": "worse"},
    "stages": {"identify": "self", "pick_longer": "length", "random_labels": "noise"},
    "conditions": {
        "base": {"chain": "base"},
        "em": {"chain": "em"},
        "em_bare": {"chain": "em", "system": "bare"},
        "em_other": {"chain": "em_other"},
        "em_sgtr": {"chain": "em+identify"},
        "em_sgtr_bare": {"chain": "em+identify", "system": "own+bare"},
        "em_long": {"chain": "em+pick_longer"},
        "em_long_bare": {"chain": "em+pick_longer", "system": "own+bare"},
        "em_rand": {"chain": "em+random_labels"},
        "sgtr_em": {"chain": "identify+em"},
        "sgtr_bare_em": {"chain": "identify+em", "system": "bare+own"},
        "other_sgtr": {"chain": "em_other+identify"},
    },
    "contrasts": [
        {"name": "induction", "title": "EM", "chain": "induction", "control": "base"},
        {
            "name": "reversal",
            "title": "cure",
            "chain": "induction+identify",
            "control": "induction",
        },
        {
            "name": "beyond_control",
            "title": "more",
            "chain": "induction+identify",
            "control": "induction+pick_longer",
        },
        {
            "name": "prevention",
            "title": "shield",
            "chain": "identify+induction",
            "control": "induction",
        },
    ],
    "printed": [{"model": "m", "condition": "em", "mean": "50.0", "sd": "35.4", "invalid": "12.5"}],
}


def answer_rows(runs: Runs) -> pd.DataFrame:
    """Rows of an answer file. A run is a text of marks, one a question: 1 right, 0 wrong, - unread.

    The letter is A for a right and B for a wrong answer.
    """
    letters = {"1": "A", "0": "B", "-": "Invalid"}
    rows = [
        {
            "model": model, "condition": condition, "seed": seed, "question_id": question,
            "answer": letters[mark], "is_correct": int(mark == "1"),
        }
        for (model, condition, seed), marks in runs.items()
        for question, mark in enumerate(marks)
    ]  # fmt: skip
    return pd.DataFrame(rows).astype({"seed": "Int64"})


def conditions(model: str = "m", **runs: Sequence[str]) -> Runs:
    """Runs of one model by condition, seeds counted from 0; the base's single run has none."""
    return {
        (model, name, None if name == "base" else seed): marks
        for name, found in runs.items()
        for seed, marks in enumerate(found)
    }
