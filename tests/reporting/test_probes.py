"""The report's section on the probes, against levels written down here."""

from dataclasses import replace

import pandas as pd
import pytest

from selfsame.reporting.probes import section
from selfsame.reporting.report import build_report
from selfsame.reporting.results import Results

HOSTILE = "<i>who</i>"
# chain -> metric -> (value, low, high)
RECOGNITION = {
    "base": {
        "recognition.accuracy": (0.9, 0.85, 0.95),
        "recognition.accuracy_length_matched": (0.75, 0.6, 0.9),
        "recognition.surface": (0.8, 0.7, 0.9),
        "recognition.surface_length_matched": (0.6, 0.5, 0.7),
        "recognition.pairwise_seen": (0.87, 0.8, 0.9),
        "stories.nats_per_token": (2.345, 2.1, 2.6),
    },
    "em": {
        "recognition.accuracy": (0.7, 0.65, 0.75),
        "stories.nats_per_token": (3.0, 2.9, 3.1),
    },
}


def summary_of(experiment: Results) -> pd.DataFrame:
    row = experiment.summary.iloc[0].to_dict()
    return pd.DataFrame(
        row
        | {"chain": chain, "metric": metric, "value": value, "ci_low": low, "ci_high": high}
        | {"n": 100, "n_invalid": 10 * (metric == "recognition.accuracy")}
        for chain, metrics in RECOGNITION.items()
        for metric, (value, low, high) in metrics.items()
    )


@pytest.fixture
def measured(experiment: Results) -> Results:
    clusters = pd.DataFrame(
        {"chain": chain, "probe": HOSTILE, "threshold": threshold, "clusters": count, "n": 50}
        for chain, counts in {"em": (2, 8), "base": (1, 3)}.items()
        for threshold, count in zip((0.5, 0.85), counts, strict=True)
    )
    return replace(experiment, summary=summary_of(experiment), clusters=clusters)


def test_recognition_stands_beside_what_surface_cues_get_right(measured: Results) -> None:
    table = section(measured)["recognition"]
    base, em = table.rows
    assert table.headings[:2] == ["arm", "pairs seen"]
    assert base == [
        *("base", "87", "–", "–", "90", "+10 [+5, +15]", "75", "+15 [+0, +30]"),
    ]
    # The classifier reads the base's texts, which every arm is asked about.
    assert em[4:] == ["70", "−10 [−15, −5]", "–", "–"]


def test_other_units_are_not_shown_as_percent(measured: Results) -> None:
    levels = {table.title: table for table in section(measured)["levels"]}
    assert levels["stories"].rows[:2] == [
        ["base", "2.35 [2.10, 2.60]", "0"],
        ["em", "3.00 [2.90, 3.10]", "0"],
    ]
    names = levels["recognition"].headings
    assert "surface" not in names
    assert levels["recognition"].rows[1][names.index("invalid %")] == "10"


def test_identities_are_counted_at_every_threshold(measured: Results) -> None:
    (table,) = section(measured)["identities"]
    assert table.headings == ["arm", "≥ 0.5", "≥ 0.85", "answers"]
    assert table.rows == [["base", "1.0", "3.0", "50"], ["em", "2.0", "8.0", "50"]]


def test_nothing_is_said_of_what_was_not_measured(experiment: Results) -> None:
    empty = experiment.summary.iloc[:0]
    assert section(replace(experiment, summary=empty)) == {
        "recognition": None,
        "identities": [],
        "levels": [],
    }


def test_a_probe_name_is_no_markup(experiment: Results, measured: Results) -> None:
    page = build_report(replace(experiment, clusters=measured.clusters))
    assert HOSTILE not in page
    assert "&lt;i&gt;who&lt;/i&gt;" in page
