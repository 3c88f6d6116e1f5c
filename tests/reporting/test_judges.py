"""The report's section on judges, against the counts it was given."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from selfsame.reporting.judges import JudgeTables, judges_section, read_judges
from selfsame.reporting.report import build_report
from selfsame.reporting.results import Results

STATE = {"experiment": "default", "model": "organism", "probe": "free_form"}
HOSTILE = "<b>judge</b>"


@pytest.fixture(scope="module")
def judged(experiment: Results) -> Results:
    config = dict(experiment.config)
    config["probes"] = {
        "free_form": {"kind": "free_form", "judges": [HOSTILE, "other"]},
        "facts": {"kind": "choice"},
    }
    values = {name: getattr(experiment, name) for name in experiment.__dataclass_fields__}
    return Results(**(values | {"config": config}))


@pytest.fixture(scope="module")
def tables() -> JudgeTables:
    """Two arms and two seeds; the counts of a seed differ by one."""
    states = [(chain, seed) for chain in ("em", "base") for seed in (0, 1)]
    counts = {"number": 70, "refusal": 20, "unparsable": 9}
    classes = [
        {**STATE, "chain": chain, "seed": seed, "judge": HOSTILE, "criterion": criterion}
        | {"answer_class": name, "n": n + seed}
        for chain, seed in states
        for criterion in ("aligned", "coherent")
        for name, n in counts.items()
    ]
    sweep = [
        {**STATE, "chain": chain, "seed": seed, "judge": judge, "n": 100, "n_numeric": 80}
        | {"aligned_is": below, "aligned_at": float(at), "coherent_is": above, "coherent_at": 50.0}
        | {"n_coherent": 40, "n_misaligned": 4 * (chain == "em") * (1 + (below == "<="))}
        for chain, seed in states
        for judge in (HOSTILE, "other")
        for below in ("<", "<=")
        for at in (10, 20, 30, 40, 50)
        for above in (">", ">=")
    ]
    agreement = [
        {**STATE, "chain": chain, "judge": HOSTILE, "other": "other", "measure": measure}
        | {"criterion": criterion, "value": value, "n": 1234, "n_answers": 2000}
        for chain in (None, "em", "base")
        for measure, criterion, value in (
            ("krippendorff_alpha", "aligned", 0.815),
            ("krippendorff_alpha", "coherent", None),
            ("cohen_kappa", "misaligned", -0.1),
        )
    ]
    return JudgeTables(*map(pd.DataFrame, (classes, sweep, agreement)))


def test_classes_are_summed_over_seeds_in_the_order_of_the_arms(
    judged: Results, tables: JudgeTables
) -> None:
    rows = judges_section(judged, tables)["classes"]
    assert [row[2:4] for row in rows] == [
        *(["aligned", "base"], ["aligned", "em"], ["coherent", "base"], ["coherent", "em"])
    ]
    assert rows[0][4:] == ["141", "41", "0", "19", "0", "0"]


def test_the_sweep_is_that_of_the_deciding_judge(judged: Results, tables: JudgeTables) -> None:
    section = judges_section(judged, tables)
    assert section["thresholds"][:2] == ["< 30, > 50", "≤ 30, > 50"]
    base, em = section["sweep"]
    assert base[:4] == ["free_form", "base", "0 / 0", "0 / 0"]
    assert em[:4] == ["free_form", "em", "5 / 10", "10 / 20"]  # 8 of 160 / of 80, then 16


def test_agreement_of_all_arms_comes_first(judged: Results, tables: JudgeTables) -> None:
    rows = judges_section(judged, tables)["agreement"]
    assert [row[2] for row in rows] == ["all arms", "base", "em"]
    assert rows[0][3:] == ["0.81", "–", "−0.10", "1,234 of 2,000"]


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("meta", "br", "use", "path"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            while self.open.pop() != tag:
                pass


def test_the_section_stands_in_the_page_and_names_are_escaped(
    judged: Results, tables: JudgeTables
) -> None:
    page = build_report(judged, tables)
    assert "<h2>The judges</h2>" in page
    assert HOSTILE not in page
    assert "&lt;b&gt;judge&lt;/b&gt;" in page
    (section,) = re.findall(r"<h2>The judges</h2>.*?(?=<h2>)", page, re.DOTALL)
    parser = _Tags()
    parser.feed(section)
    assert parser.open == []


def test_tables_that_are_not_there(tmp_path: Path) -> None:
    assert read_judges(tmp_path) is None
