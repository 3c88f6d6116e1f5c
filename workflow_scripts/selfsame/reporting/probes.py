"""The report's section on the probes: recognition beside surface cues, identities, all levels."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from selfsame.reporting.results import MISSING, Results, difference, level_text, number, percent
from selfsame.statistics.settings import BASE

RECOGNITION = "recognition"
# Of recognition: the share of right pairs, and what the classifier of surface cues gets right.
BESIDE_SURFACE = {"accuracy": "surface", "accuracy_length_matched": "surface_length_matched"}
OF_TEXTS = ("surface", "length", "surface_length_matched")


@dataclass(frozen=True)
class Table:
    """Headings and rows of printable text; the first column names the arm."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


def section(results: Results) -> dict[str, Any]:
    """What the template shows; each part is empty where nothing of it was measured."""
    return {
        "recognition": recognition_table(results),
        "identities": list(_identity_tables(results)),
        "levels": list(_level_tables(results)),
    }


def recognition_table(results: Results) -> Table | None:
    """Each arm's recognition, and how far it lies above a classifier that knows no author.

    The interval of the difference is the arm's own: the classifier's share is taken as it is.
    """
    columns = {
        "pairs seen": "pairwise_seen",
        "pairs unseen": "pairwise_unseen",
        "one text alone": "individual",
        "pairs right": "accuracy",
        "right, equal length": "accuracy_length_matched",
    }
    rows = []
    for arm in results.arms:
        levels = [results.level(arm, f"{RECOGNITION}.{metric}") for metric in columns.values()]
        if all(level is None for level in levels):
            continue
        shown = [MISSING if row is None else percent(row["value"]) for row in levels]
        above = [_above(results, arm, *pair) for pair in BESIDE_SURFACE.items()]
        rows.append([arm, *shown[:4], above[0], shown[4], above[1]])
    names = list(columns)
    headings = ["arm", *names[:4], "above surface cues", names[4], "above surface cues"]
    return Table("Recognition beside surface cues", headings, rows) if rows else None


def _above(results: Results, arm: str, metric: str, cue: str) -> str:
    level = results.level(arm, f"{RECOGNITION}.{metric}")
    surface = results.level(BASE, f"{RECOGNITION}.{cue}")  # of the base's texts, as all are asked
    if level is None or surface is None:
        return MISSING
    name, given = f"{RECOGNITION}.{metric}", float(surface["value"])
    value, low, high = (difference(name, level[key] - given) for key in ("value", *ENDS))
    return value if pd.isna(level["ci_low"]) else f"{value} [{low}, {high}]"


ENDS = ("ci_low", "ci_high")


def _identity_tables(results: Results) -> Iterator[Table]:
    """Of each probe, how many clusters each arm's answers fall into at every threshold."""
    if results.clusters is None:
        return
    for probe, found in results.clusters.groupby("probe", sort=True):
        thresholds = sorted(found["threshold"].unique())
        mean = found.groupby(["chain", "threshold"])[["clusters", "n"]].mean()
        rows = []
        for arm in results.ordered(found["chain"]):
            of_arm = mean.loc[arm]
            counts = [number(of_arm.loc[threshold, "clusters"], 1) for threshold in thresholds]
            rows.append([arm, *counts, number(of_arm["n"].iloc[0], 0)])
        cosines = [f"≥ {threshold:g}" for threshold in thresholds]
        yield Table(str(probe), ["arm", *cosines, "answers"], rows)


def _level_tables(results: Results) -> Iterator[Table]:
    """Every metric of every probe and benchmark, arm by arm."""
    probes: dict[str, list[str]] = {}
    for metric in dict.fromkeys(results.summary["metric"]):
        probe, _, ending = metric.partition(".")
        if ending not in OF_TEXTS:
            probes.setdefault(probe, []).append(metric)
    yield from (_levels(results, probe, metrics) for probe, metrics in probes.items())


def _levels(results: Results, probe: str, metrics: Sequence[str]) -> Table:
    rows = []
    for arm in results.arms:
        found = results.summary[
            (results.summary["chain"] == arm) & results.summary["metric"].isin(metrics)
        ]
        invalid = found["n_invalid"].sum() / max(found["n"].sum(), 1)
        shown = [level_text(metric, results.level(arm, metric)) for metric in metrics]
        rows.append([arm, *shown, percent(invalid)])
    names = [metric.split(".", 1)[1].replace("_", " ") for metric in metrics]
    return Table(probe.replace("_", " "), ["arm", *names, "invalid %"], rows)
