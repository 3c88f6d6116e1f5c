"""The report's section on published answers: what it says, shows, escapes and leaves out."""

import re
from dataclasses import asdict, replace
from typing import Any

import pytest

from published_answers import MAPPING, answer_rows, conditions
from selfsame.published.answers import read_answers
from selfsame.published.numbers import published_contrasts, published_tables
from selfsame.published.own import own_tables
from selfsame.published.settings import Publication
from selfsame.published.states import Contrast
from selfsame.reporting.published import planned_figures, section
from selfsame.reporting.published_results import PublishedResults
from selfsame.reporting.report import build_report, draw_figures
from selfsame.reporting.results import Results
from selfsame.statistics.settings import StatisticsSettings
from selfsame.statistics.tally import tallied

SETTINGS = StatisticsSettings(bootstrap_samples=500)
BASE = "1" * 15 + "0" * 5
# All that EM adds is unread; what it does in one data set more is real.
EM = ["1" * 11 + "-" * 9, "1" * 10 + "0" + "-" * 9, "1" * 11 + "-" * 9]
OTHER = ["0" * 18 + "11", "0" * 17 + "111", "0" * 18 + "11"]
SGTR = ["1" * 16 + "0" * 4, "1" * 15 + "0" * 5, "1" * 15 + "0" * 5]
OWN = [Contrast("induction", "em", "em", "base", False)]
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> PublishedResults:
    path = tmp_path_factory.mktemp("published") / "answers.parquet"
    runs = conditions(base=[BASE], em=EM, em_other=OTHER, em_sgtr=SGTR)
    answer_rows(runs | conditions("n", base=[BASE], em=[BASE])).to_parquet(path)
    publication = Publication(**MAPPING | {"title": HOSTILE})
    answers = read_answers(path, publication)
    assert published_contrasts(answers, publication)
    made = {name: t for name, (t, _) in published_tables(answers, publication, SETTINGS).items()}
    wanted = ("states", "levels", "contrasts", "printed")
    none = {f"own_{name}": made[name].iloc[:0] for name in ("levels", "contrasts")}
    return PublishedResults(
        publication=publication.model_dump(mode="json"), **{n: made[n] for n in wanted}, **none
    )


@pytest.fixture(scope="module")
def alone(experiment: Results, published: PublishedResults) -> Results:
    return replace(experiment, published=published)


@pytest.fixture(scope="module")
def both(experiment: Results, published: PublishedResults) -> Results:
    """With our own answers of the probe `facts` beside them."""
    answered = experiment.observations[experiment.observations["metric"] == "facts.accuracy"]
    own = own_tables(tallied(answered), "facts", [asdict(c) for c in OWN], SETTINGS)
    tables = {f"own_{name}": own[f"published_{name}"][0] for name in ("levels", "contrasts")}
    return replace(experiment, published=replace(published, **tables))


def rows_of(results: Results, key: str) -> dict[str, tuple[str, ...]]:
    assert results.published is not None
    return {row[2]: row for row in section(results, results.published)[key]}


def test_the_section_names_what_does_not_survive(alone: Results) -> None:
    changed = rows_of(alone, "changed")
    assert "em vs base" in changed
    row = changed["em vs base"]
    assert row[:2] == ("Model One", "EM")
    assert row[3] == "3 / 1"
    assert row[4].startswith("+21.7 (p ")
    assert row[5].startswith("+21.7 [")
    assert row[7].startswith("−22.0 [")
    assert row[9] == "45.0 / 0.0"
    assert row[10].endswith("unread left out: sign turns")
    assert "em_other vs base" not in changed


def test_every_contrast_is_listed_with_the_publication_s_names(alone: Results) -> None:
    rows = rows_of(alone, "contrasts")
    assert {*rows} == {"em vs base", "em_other vs base", "em_sgtr vs em"}
    assert rows["em_sgtr vs em"][3] == "3 pairs"
    assert rows["em vs base"][10] == "no published test"  # the second model has single runs


def test_the_counts_add_up(alone: Results) -> None:
    assert alone.published is not None
    found = section(alone, alone.published)
    assert found["tested"] == "4 contrasts"
    for sentence in found["counts"]:
        numbers = [
            int(word)
            for word in sentence.replace(",", "").replace(".", "").split()
            if word.isdigit()
        ]
        assert sum(numbers) == 4


def test_levels_are_as_published_and_with_intervals(alone: Results) -> None:
    assert alone.published is not None
    levels = section(alone, alone.published)["levels"]
    (row,) = (row for row in levels if row[:2] == ("Model One", "em"))
    assert row[3:5] == ("3", "46.7 ± 2.9")
    assert row[7] == "45.0"
    (single,) = (row for row in levels if row[:2] == ("Model Two", "em"))
    assert single[3:5] == ("1", "25.0")


def test_the_section_stands_in_the_report_and_is_escaped(alone: Results) -> None:
    html = build_report(alone)
    assert "Published and ours" in html
    assert "only the published answers are shown" in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<script" not in html


def test_ours_stand_beside_them(both: Results) -> None:
    html = build_report(both)
    assert "only the published answers are shown" not in html
    assert "em" in rows_of(both, "own_levels")
    assert rows_of(both, "own_contrasts")["em vs base"][3] == "3 / 3"


def test_one_figure_with_a_panel_for_each_model(both: Results, alone: Results) -> None:
    """Text is drawn as paths; what it says stands beside them as a comment."""
    said = re.findall("<!-- (.*?) -->", draw_figures(both)["published"])
    assert [word for word in said if word.startswith(("Model", "ours"))] == [
        *("Model One", "Model Two", "ours: organism")
    ]
    assert "3 runs, 45 % unread" in said
    (planned,) = planned_figures(alone)
    svg = planned[3]()
    assert svg is not None
    assert "ours" not in svg
    assert svg == planned[3]()


def test_too_few_replicates_for_the_grid_are_told(alone: Results) -> None:
    config: dict[str, Any] = {**alone.config}
    config["statistics"] = {**config["statistics"], "bootstrap_samples": 70}
    assert alone.published is not None
    told = section(replace(alone, config=config), alone.published)["unresolved"]
    assert told.endswith("raise statistics.bootstrap_samples.")  # 4 / 71 > 0.05
    assert section(alone, alone.published)["unresolved"] is None


def test_no_contrast_no_figure(experiment: Results, published: PublishedResults) -> None:
    none = replace(published, contrasts=published.contrasts.iloc[:0])
    (planned,) = planned_figures(replace(experiment, published=none))
    assert planned[3]() is None
