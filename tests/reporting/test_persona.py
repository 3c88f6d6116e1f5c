"""The persona section says what its tables say, and no correlation stands without its null band."""

import re
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reporting.persona_tables import (
    CHOSEN,
    DOSES,
    PRIMARY,
    choice,
    half_dose_row,
    recovery_row,
)
from selfsame.reporting.answer import answer
from selfsame.reporting.label_places import MARKER, Label, free_places
from selfsame.reporting.persona import section
from selfsame.reporting.persona_answer import BROKEN, MEANINGS, verdict_text
from selfsame.reporting.persona_results import PersonaResults
from selfsame.reporting.report import build_report
from selfsame.reporting.results import Results
from selfsame.statistics.recovery import VERDICTS, verdict

HOSTILE = "<script>x</script>$\\broken{$"
FIGURES = ("steering_sweep", "shifts", "recovery", "nulls", "relapse")


def _with(results: Results, **changes) -> Results:
    return replace(results, persona=replace(results.persona, **changes))


def _section(results: Results) -> dict:
    return section(results, results.persona)


def _nulls(results: Results, **values: float) -> Results:
    """Results whose correlations all have these values."""
    nulls = results.persona.nulls
    rows = nulls["statistic"] == "correlation"
    return _with(
        results, nulls=nulls.assign(**{k: nulls[k].mask(rows, v) for k, v in values.items()})
    )


def _recovery(results: Results, **values) -> Results:
    """Results whose recognition arm has this row of recovery."""
    row = {"chain": "em+identify", "behaviour": 0.8, "latent": 0.9, "incoherent": 0.0} | values
    known = {name: row.pop(name) for name in ("chain", "behaviour", "latent", "incoherent")}
    table = pd.DataFrame([recovery_row(*known.values()) | row])
    return _with(results, recovery=table[results.persona.recovery.columns])


def _visible(html: str) -> str:
    """The page's words without figures and tags."""
    text = re.sub(r"<svg.*?</svg>|<style>.*?</style>", " ", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text))


def _drawn(html: str) -> set[str]:
    """The figures of this section that a page holds."""
    return {name for name in FIGURES if f'id="{name}-figure_1"' in html}


def test_names_of_verdicts_are_those_of_the_statistics() -> None:
    assert set(MEANINGS) == set(VERDICTS.values())
    assert verdict(1.0, 1.0, 0.5) == BROKEN


def test_answer_gains_a_third_sentence_with_recoveries_and_band(inside) -> None:
    *_, last = sentences = answer(inside)
    assert len(sentences) == 3
    assert last.startswith("em+identify is bandaged")
    assert "B = 0.72 [0.52, 0.92]" in last
    assert "L = 0.11 [−0.19, 0.41]" in last
    assert "beats its nulls" in last
    assert "r = 0.93, null band −0.61 to 0.61, adjusted p = .004" in last


@pytest.mark.parametrize(
    "values",
    [
        {"p_adjusted": 0.21},
        {"p_adjusted": float("nan")},
        {"observed": -0.93},  # the vector runs against the score
        {"observed": float("nan"), "p_adjusted": float("nan")},
    ],
)
def test_a_vector_that_does_not_beat_its_nulls_is_named_first(inside, values) -> None:
    doubtful = _nulls(inside, **values)
    sentences = answer(doubtful)
    assert len(sentences) == 4
    assert sentences[0].startswith("The evil vector does not beat its nulls")
    assert not any("vector beats" in sentence for sentence in sentences)
    assert _section(doubtful)["null_sentences"][0].startswith("evil: the vector does not beat")


def test_page_begins_its_answer_with_the_doubt(few_arms) -> None:
    box = build_report(_nulls(few_arms, p_adjusted=0.21)).split('<div class="answer">')[1]
    assert box.lstrip().startswith("<p>The evil vector does not beat its nulls")
    assert "evil: the vector does not beat random directions" in _visible(box)


def test_a_vector_that_was_not_tested_is_named_first(few_arms) -> None:
    untested = _with(few_arms, nulls=few_arms.persona.nulls.iloc[:0])
    assert "was not tested against random directions" in answer(untested)[0]
    build_report(untested)


def test_doubt_comes_first_even_without_an_answer_of_behaviour(inside) -> None:
    unjudged = inside.summary[inside.summary["metric"] != PRIMARY]
    first, second = answer(_nulls(replace(inside, summary=unjudged), p_adjusted=0.5))[:2]
    assert "does not beat" in first
    assert "does not answer the question" in second


def test_every_correlation_has_its_band(page_inside) -> None:
    said = [match.end() for match in re.finditer(r"\br = ", _visible(page_inside))]
    assert len(said) == 3  # the answer, and a sentence for each of two traits
    for start in said:
        assert re.match(r"−?\d\.\d\d, null band −?\d\.\d\d to −?\d", _visible(page_inside)[start:])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"behaviour": 0.9, "latent": 0.95}, "is cured: both"),
        ({"behaviour": 0.9, "latent": 0.1}, "is bandaged: its answers came back"),
        ({"behaviour": 0.1, "latent": 0.9}, "is hidden: its inner state came back"),
        ({"behaviour": 0.1, "latent": 0.1}, "is unrepaired: neither"),
        ({"latent": 0.6}, "is cured (undecided): both"),
        ({"incoherent": 0.31}, "is broken: 31 % of its answers are incoherent"),
        (
            {"latent": float("nan")},
            "has no latent measure: its answers and its inner state were not",
        ),
        ({"verdict": "no behaviour measure"}, "was not clearly moved by the induction"),
        ({"chain": "em+self_report"}, "Whether em+identify is cured or only bandaged was not"),
    ],
)
def test_answer_follows_the_verdict(inside, values, said) -> None:
    assert said in answer(_recovery(inside, **values))[-1]


def test_answer_says_where_the_layer_is_arbitrary(inside) -> None:
    still = _with(inside, choices={"evil": choice("evil", moved=False, trait_score=None)})
    assert "the layer it is read at is arbitrary" in answer(still)[-1]
    assert "evil: layer 2 is an arbitrary choice" in _section(still)["layers"][0]


@pytest.mark.parametrize("decided", [True, False])
@pytest.mark.parametrize("name", [*MEANINGS, BROKEN, "no latent measure"])
def test_only_quadrants_are_marked_undecided(name, decided) -> None:
    text = verdict_text(pd.Series({"verdict": name, "decided": decided}))
    assert text == (f"{name} (undecided)" if name in MEANINGS and not decided else name)


def test_states_table_by_hand(inside) -> None:
    rows = {row[0]: row[1:] for row in _section(inside)["states"]}
    assert rows["base"][0] == "0.00"
    assert rows["base"][-1] == "the base"
    assert rows["em"][-1] == "as induced"
    shifts = inside.persona.shifts
    arm = shifts[(shifts["chain"] == "em+correct_advice") & (shifts["trait"] == "evil")]
    arm = arm[(arm["layer"] == CHOSEN) & (arm["vector"] == "response_mean")]
    assert rows["em+correct_advice"][0] == f"{arm['shift'].mean():.2f}".replace("-", "−")
    assert rows["em+correct_advice"][3:] == (
        "1", "1.02 [0.82, 1.22]", "1.31 [1.01, 1.61]", ".010", ".020", "cured",
    )  # fmt: skip
    assert rows["em+steer:-evil"][-1] == "no latent measure"
    assert rows["em+steer:-evil"][:2] == ("–", "–")


@pytest.mark.parametrize(
    ("values", "said", "interval"),
    [
        ({"half_dose": 7.75}, "7.8", "[2.5, 31.2]"),
        ({"half_dose": 0.0, "already": True, "ci_low": 0.0}, "0 (already)", "[0.0, 31.2]"),
        ({"half_dose": None, "censored": True, "ci_low": 33.0, "ci_high": None},
         "> 40", "[33.0, > 40]"),
        ({"half_dose": 12.0, "ci_low": None, "ci_high": None}, "12.0", "–"),
    ],
)  # fmt: skip
def test_half_doses_as_text(inside, values, said, interval) -> None:
    row = half_dose_row("em+identify", values.pop("half_dose"), **values)
    doses = pd.DataFrame([row], columns=inside.persona.relapse_doses.columns)
    found = _section(_with(inside, relapse_doses=doses))["relapse"]
    assert found == [("em+identify", said, interval, "3 × 56")]
    assert said.lstrip("> ") == said or int(said.lstrip("> ")) == max(DOSES)


def test_geometry_shows_states_at_the_chosen_layer(inside) -> None:
    rows = _section(inside)["geometry"]
    assert rows[0] == ("base", "0.612", "4")
    assert {row[0] for row in rows} >= {"em", "em+identify", "self_report+em"}


def test_section_reads_without_the_paper(page_inside) -> None:
    words = _visible(page_inside)
    for said in (
        "Cured, or only bandaged?", "above 1 lies beyond the base", "evil: layer 2, at strength 2",
        "that is not realignment", "0 (already)", "&gt; 40", "cured (undecided)", "1,180",
        "em+steer:-evil, em+steer:-evil:random",
    ):  # fmt: skip
        assert said in words


def test_stages_steered_in_training_are_named(inside) -> None:
    stages = inside.config["stages"] | {
        "em_held": {"kind": "induction", "matches": "em", "finetuning": {"steering": {"alpha": 5}}}
    }
    steered = replace(inside, config=inside.config | {"stages": stages})
    assert _section(steered)["trained_steered"] == ["em_held"]


def test_without_persona_the_report_is_as_before(experiment, page) -> None:
    assert len(answer(experiment)) == 2
    assert _drawn(page) == set()
    assert "bandaged" not in page
    assert "Relapse" not in page


def test_relapse_alone_stands_without_persona_vectors(few_arms) -> None:
    tables = {name: getattr(few_arms.persona, name) for name in ("relapse", "relapse_doses")}
    alone = replace(few_arms, persona=PersonaResults(**tables))
    assert answer(alone) == answer(replace(few_arms, persona=None))
    page = build_report(alone)
    assert "Relapse" in page
    assert "What was extracted" not in page
    assert _drawn(page) == {"relapse"}


def test_vectors_alone_stand_without_relapse(few_arms) -> None:
    empty = PersonaResults()
    alone = _with(few_arms, relapse=empty.relapse, relapse_doses=empty.relapse_doses)
    page = build_report(alone)
    assert "Relapse" not in page
    assert "What was extracted" in page
    assert _drawn(page) == set(FIGURES) - {"relapse"}


def test_names_of_traits_and_arms_are_escaped(few_arms) -> None:
    persona = few_arms.persona
    names = {"evil": HOSTILE, "em+identify": f"em+{HOSTILE}"}
    tables = {
        name: table.replace(names)
        for name, table in vars(persona).items() if isinstance(table, pd.DataFrame)
    }  # fmt: skip
    hostile = _with(few_arms, **tables, choices={HOSTILE: choice(HOSTILE)})
    page = build_report(hostile)
    assert "<script" not in page
    assert "&lt;script&gt;x" in page
    assert "does not answer" not in page


Places = st.lists(st.tuples(st.floats(0, 200), st.floats(0, 200)), min_size=1, max_size=22)


@given(Places)
def test_labels_meet_neither_points_nor_each_other(places) -> None:
    labels = [Label(x, y, 11, 8) for x, y in places]
    offsets = free_places(labels)
    moved = [(x + dx, y + dy) for (x, y), (dx, dy) in zip(places, offsets, strict=True)]
    for (ax, ay), (bx, by) in combinations(moved, 2):
        assert abs(ax - bx) >= 11 or abs(ay - by) >= 8
    for (ax, ay), (bx, by) in ((a, b) for a in moved for b in places):
        assert abs(ax - bx) >= (11 + MARKER) / 2 or abs(ay - by) >= (8 + MARKER) / 2
    assert np.isfinite(offsets).all()
