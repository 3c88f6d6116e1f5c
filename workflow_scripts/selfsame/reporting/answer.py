"""The answer: does self-recognition finetuning repair, beat its controls, and cure or bandage?

Everything of behaviour is read from the effects on the primary metric. Whether the recognition arm
differs from the misaligned state it starts from is one comparison planned before the run, so its
own p-value decides, and its interval agrees with it. The comparisons with the controls are many:
there the p-value adjusted for the whole family decides. What is not decided is called so, not
absent.

A run without such an arm tells of its interventions: every other arm that has matched controls.

Where persona vectors were measured, a third sentence says whether the arm is cured or bandaged; a
vector that does not beat its nulls is named before anything else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from selfsame.reporting.persona_answer import cured_or_bandaged, doubts
from selfsame.reporting.results import (
    Results,
    interval,
    lower_is_better,
    metric_name,
    p_value_said,
    percent,
    signed,
)
from selfsame.statistics.settings import BASE

RECOGNITION_KINDS = ("identify", "acknowledge")


@dataclass(frozen=True)
class Comparison:
    """One effect read for what it says: `better`, `worse` or `undecided`."""

    chain: str
    control: str
    verdict: str
    points: str
    p_value: float


def answer(results: Results) -> list[str]:
    """Two sentences with numbers, or one that says why there is no answer, and the inner state."""
    arm = recognition_arm(results)
    inside = cured_or_bandaged(results, arm) if arm is not None else []
    return [*doubts(results), *_behaviour(results, arm), *inside]


def _behaviour(results: Results, arm: str | None) -> list[str]:
    if not results.has_primary:
        return [
            "This run does not answer the question: it holds no judged answer for its primary"
            f" metric ({metric_name(results.primary)}), so no effect can be computed."
        ]
    if arm is None and (altered := interventions(results)):
        return [_intervention_sentence(results, name) for name in altered]
    if arm is None:
        return [
            "This run does not answer the question: it measures no arm that trains self-recognition"
            " on a model made misaligned before."
        ]
    induced = arm.rsplit("+", 1)[0]
    return [_repair_sentence(results, arm, induced), _control_sentence(results, arm, induced)]


def recognition_arm(results: Results) -> str | None:
    """The first measured arm whose last stage is self-recognition right after an induction."""
    kinds = {name: stage["kind"] for name, stage in results.config["stages"].items()}
    for arm in results.arms:
        *before, last = (kinds.get(stage, "") for stage in arm.split("+"))
        if last in RECOGNITION_KINDS and before and before[-1] == "induction":
            return arm
    return None


def interventions(results: Results) -> list[str]:
    """The measured arms that have matched controls, but for plain inductions, their reference."""
    rows, stages = results.effects, results.config["stages"]
    of_primary = (rows["metric"] == results.primary) & (rows["contrast"] == "matched_control")
    arms = results.ordered(rows.loc[of_primary, "chain"])
    plain = [name for name in arms if _reference(stages, name) == name]
    return [name for name in arms if name not in plain]


def _reference(stages: Mapping[str, Any], arm: str) -> str:
    """The induction that an arm's first stage is a variant of, itself if of none; or the base."""
    first, *_ = arm.split("+")
    if stages.get(first, {}).get("kind") != "induction":
        return BASE
    while stages[first].get("matches"):
        first = stages[first]["matches"]
    return str(first)


def _intervention_sentence(results: Results, arm: str) -> str:
    chains = dict.fromkeys((arm, _reference(results.config["stages"], arm), BASE))
    levels = [
        f"{interval(results.level(chain, results.primary))} % {_after(chain)}" for chain in chains
    ]
    found = _controls(results, arm)
    return (
        f"{metric_name(results.primary)}: {', '.join(levels)} ({_sizes(results, arm)})."
        f" {_compared(results, found)}."
    )


def _after(chain: str) -> str:
    return "in the base model" if chain == BASE else f"after {chain}"


def compare(results: Results, chain: str, control: str, *, planned: bool) -> Comparison | None:
    """The effect of chain against control on the primary metric; None where there is none.

    A planned comparison is decided by its own p-value, any other by the adjusted one.
    """
    rows = results.effects[
        (results.effects["metric"] == results.primary)
        & (results.effects["chain"] == chain)
        & (results.effects["control"] == control)
    ].dropna(subset=["estimate"])
    if rows.empty:
        return None
    row = rows.iloc[0]
    p_value = float(row["p_value"] if planned else row["p_adjusted"])
    return Comparison(chain, control, _verdict(row, p_value, results), _points(row), p_value)


def _verdict(row: pd.Series, p_value: float, results: Results) -> str:
    if not p_value < results.alpha:  # also where p is undefined
        return "undecided"
    gain = -row["estimate"] if lower_is_better(results.primary) else row["estimate"]
    return "better" if gain > 0 else "worse"


def _points(row: pd.Series) -> str:
    if pd.isna(row["ci_low"]):
        return f"{signed(row['estimate'])}, no interval"
    return f"{signed(row['estimate'])} [{signed(row['ci_low'])}, {signed(row['ci_high'])}]"


def _repair_sentence(results: Results, arm: str, induced: str) -> str:
    found = compare(results, arm, induced, planned=True)
    damage = compare(results, induced, BASE, planned=True)
    if found is None:
        return f"{arm} cannot be compared with {induced}: one of them has no valid answer."
    said = {
        "better": "Self-recognition finetuning repaired part of the damage",
        "worse": "Self-recognition finetuning did harm",
        "undecided": "No repair by self-recognition finetuning could be shown",
    }[found.verdict]
    if damage is None or damage.verdict != "worse":
        said += f", though {induced} itself was not shown to be worse than the base model"
    base, before, after = (_level(results, chain) for chain in (BASE, induced, arm))
    return (
        f"{said}: the primary metric ({metric_name(results.primary)}) was {base} in the base model,"
        f" {before} after {induced} and {after} after {arm}, a difference of {found.points} points"
        f" ({p_value_said(found.p_value)}; {_sizes(results, arm)})."
    )


def _control_sentence(results: Results, arm: str, induced: str) -> str:
    found = _controls(results, arm)
    if not found:
        return "It has no matched control in this run, so nothing can be credited to recognition."
    return f"{_compared(results, found)}: {_conclusion(results, arm, induced, found)}."


def _compared(results: Results, found: list[Comparison]) -> str:
    groups = {verdict: [c for c in found if c.verdict == verdict] for verdict in VERDICTS}
    parts = [f"{VERDICTS[verdict]} {_list(group)}" for verdict, group in groups.items() if group]
    return (
        f"Of {len(found)} matched controls, it was {'; '.join(parts)} (points and interval of the"
        f" difference, decided at adjusted p < {results.alpha:.2f})"
    )


VERDICTS = {
    "better": "better than",
    "undecided": "not demonstrably better or worse than",
    "worse": "worse than",
}


def _controls(results: Results, arm: str) -> list[Comparison]:
    rows = results.effects
    names = rows.loc[
        (rows["chain"] == arm)
        & (rows["contrast"] == "matched_control")
        & (rows["metric"] == results.primary),
        "control",
    ]
    found = (compare(results, arm, control, planned=False) for control in names)
    return [comparison for comparison in found if comparison is not None]


def _conclusion(results: Results, arm: str, induced: str, found: list[Comparison]) -> str:
    repaired = compare(results, arm, induced, planned=True)
    if repaired is None or repaired.verdict != "better":
        return "there is no shown repair to credit to recognition"
    if all(comparison.verdict == "better" for comparison in found):
        return "the repair goes beyond what the same training on other labels or rows gives"
    return "the repair cannot be credited to self-recognition alone"


def _list(group: list[Comparison]) -> str:
    return ", ".join(f"{c.control} {c.points}" for c in group)


def _level(results: Results, chain: str) -> str:
    row = results.level(chain, results.primary)
    return "not measured" if row is None else f"{percent(row['value'])}%"


def _sizes(results: Results, chain: str) -> str:
    row = results.level(chain, results.primary)
    if row is None:
        return "no answers"
    seeds, items = int(row["n_seeds"]), int(row["n_items"])
    return (
        f"{100 * results.confidence:.0f}% interval,"
        f" n = {int(row['n'])} answers to {items} question{'s' if items != 1 else ''}"
        f" over {seeds} seed{'s' if seeds != 1 else ''}"
    )
