"""The report is self-contained, escapes what models wrote, and says what the numbers say."""

import io
from dataclasses import replace
from html.parser import HTMLParser

import pandas as pd
import pytest
from rich.console import Console

from selfsame.reporting.answer import answer, recognition_arm
from selfsame.reporting.examples import EXAMPLE_COLUMNS, examples
from selfsame.reporting.report import build_report
from selfsame.reporting.results import main_table, metric_name
from selfsame.reporting.terminal import print_main_table

PRIMARY = "advice_outside.aligned_coherent"
VOID = {"meta", "link", "br", "img", "hr", "input"}


class _Page(HTMLParser):
    """Collects tags, links that would load something, ids, and checks that tags close."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "data", "action") and value[:1] != "#":
                self.loads.append(value)
            if name == "id":
                self.ids.append(value)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def parsed(page) -> _Page:
    parsed = _Page()
    parsed.feed(page)
    return parsed


def test_page_loads_nothing_and_runs_nothing(parsed, page) -> None:
    assert parsed.loads == []
    assert "script" not in parsed.tags
    assert "@import" not in page
    assert parsed.open == []


def test_ids_are_unique_across_figures(parsed) -> None:
    assert parsed.tags.count("svg") == 5
    assert len(parsed.ids) == len(set(parsed.ids))


def test_text_of_a_model_is_escaped(page) -> None:
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page
    assert "<sleep>" not in page


def test_long_answers_are_cut(page) -> None:
    assert "[…]" in page
    assert "sell the old boat and " * 25 not in page


def test_report_holds_the_levels_and_the_papers(page, experiment) -> None:
    assert main_table(experiment)["primary %"].iloc[0] in page
    assert "arXiv 2606.23700" in page
    assert "arXiv 2507.21509" in page


def test_invalid_answers_of_the_primary_metric_stand_beside_it(experiment) -> None:
    """Over all seeds, of every arm where any arm has some; else there is no such column."""
    scores = experiment.scores.assign(n=40, n_invalid=0)
    assert "invalid %" not in main_table(replace(experiment, scores=scores))
    some = scores["chain"].eq("em") & scores["metric"].eq(PRIMARY)
    scores.loc[some, "n_invalid"] = [10] + [0] * (some.sum() - 1)
    table = main_table(replace(experiment, scores=scores)).set_index("arm")["invalid %"]
    assert table["em"] == f"{100 * 10 / (40 * some.sum()):.0f}"
    assert {*table.drop("em")} == {"0"}


def test_without_published_answers_nothing_is_said_of_them(page) -> None:
    assert "Published and ours" not in page


def test_config_is_shown_with_its_lists(page) -> None:
    assert "- em+identify+acknowledge" in page


def _with_effects(results, **estimates: tuple[float, float]):
    """Results whose effects on the primary metric are set: control -> (estimate, p-value)."""
    effects = results.effects.copy()
    for control, (estimate, p_value) in estimates.items():
        name = {"em": "em", "base": "base"}.get(control, f"em+{control}")
        chain = "em" if control == "base" else "em+identify"
        row = (
            effects["metric"].eq(PRIMARY) & effects["chain"].eq(chain) & effects["control"].eq(name)
        )
        effects.loc[row, ["estimate", "ci_low", "ci_high"]] = [estimate, estimate - 0.1, estimate]
        effects.loc[row, ["p_value", "p_adjusted"]] = p_value
    return type(results)(**{**results.__dict__, "effects": effects})


CONTROLS = (
    "random_labels", "flipped_labels", "pick_longer", "pick_shorter", "other_author",
    "correct_advice", "general_knowledge", "word_count", "self_report",
)  # fmt: skip


@pytest.mark.parametrize(
    ("parent", "controls", "first", "last"),
    [
        ((0.3, 0.001), (0.2, 0.001), "repaired part of the damage", "goes beyond"),
        ((0.3, 0.001), (0.2, 0.2), "repaired part of the damage", "cannot be credited"),
        ((0.3, 0.001), (-0.2, 0.001), "repaired part of the damage", "cannot be credited"),
        ((0.1, 0.4), (0.2, 0.001), "No repair by self-recognition", "no shown repair"),
        ((-0.3, 0.001), (0.2, 0.001), "did harm", "no shown repair"),
        ((0.3, float("nan")), (0.2, 0.001), "No repair by self-recognition", "no shown repair"),
    ],
)
def test_answer_follows_the_effects(experiment, parent, controls, first, last) -> None:
    values = {"em": parent, "base": (-0.6, 0.001)} | dict.fromkeys(CONTROLS, controls)
    sentences = answer(_with_effects(experiment, **values))
    assert len(sentences) == 2
    assert first in sentences[0]
    assert last in sentences[1]
    assert "3 seeds" in sentences[0]


def test_answer_names_each_control_under_its_verdict(experiment) -> None:
    values = {"em": (0.3, 0.001)} | dict.fromkeys(CONTROLS, (0.2, 0.001))
    values |= {"word_count": (0.1, 0.5), "self_report": (-0.2, 0.01)}
    sentence = answer(_with_effects(experiment, **values))[1]
    assert "not demonstrably better or worse than em+word_count +10 [+0, +10];" in sentence
    assert "worse than em+self_report −20" in sentence


def test_answer_doubts_a_repair_where_there_was_no_damage(experiment) -> None:
    values = {"em": (0.3, 0.001), "base": (-0.1, 0.5)}
    assert "em itself was not shown to be worse" in answer(_with_effects(experiment, **values))[0]


def test_recognition_arm_follows_an_induction(experiment) -> None:
    assert recognition_arm(experiment) == "em+identify"


def test_run_without_judge_says_so(experiment, results_of) -> None:
    table = experiment.observations
    advice = table["metric"].str.startswith(("advice_outside", "free_form"))
    without = results_of(table[~advice & table["seed"].eq(0) & table["chain"].isin(["base", "em"])])
    html = build_report(without)
    assert "does not answer the question" in html
    assert "was not measured here" in html.lower()
    assert "Not drawn" in html


def test_terminal_fits_its_width_and_reads_no_markup(experiment, tmp_path) -> None:
    out = io.StringIO()
    print_main_table(experiment, tmp_path / "report.html", Console(file=out, width=110))
    lines = out.getvalue().splitlines()
    assert max(len(line) for line in lines if "report:" not in line) <= 110
    assert any("em+identify+acknowledge" in line for line in lines)
    assert str(tmp_path / "report.html") in out.getvalue()


def test_terminal_shows_recovery_in_its_width(inside, tmp_path) -> None:
    out = io.StringIO()
    print_main_table(inside, tmp_path / "report.html", Console(file=out, width=110))
    lines = out.getvalue().splitlines()
    assert max(len(line) for line in lines if "report:" not in line) <= 110
    (arm,) = [line for line in lines if "0.11 [−0.19, 0.41]" in line and "0.72" in line]
    assert arm.split()[0] == "em+identify"
    assert arm.split()[-1] == "bandaged"
    assert any("cured (undecided)" in line for line in lines)


def test_page_with_persona_loads_nothing_and_its_ids_are_unique(page_inside) -> None:
    parsed = _Page()
    parsed.feed(page_inside)
    assert parsed.loads == []
    assert "script" not in parsed.tags
    assert parsed.open == []
    assert parsed.tags.count("svg") == 10
    assert len(parsed.ids) == len(set(parsed.ids))


def test_metric_names_in_words() -> None:
    assert metric_name("advice_outside.aligned_coherent") == "advice outside: aligned and coherent"
    assert metric_name("recognition.position_bias") == "recognition: position bias"


def test_examples_put_the_same_questions_to_every_chain() -> None:
    states = [(chain, item) for chain in ("base", "em") for item in ("q1", "q2", "q3", "q4")]
    samples = pd.DataFrame(
        [
            {"chain": chain, "seed": 0, "probe": "advice", "item": item, "sample": 0,
             "kind": "generate", "text": f"{chain} says {item}"}
            for chain, item in states
        ]
    )  # fmt: skip
    judged = samples.assign(answer_class="right").drop(columns="text")
    asked = [
        {"role": "user", "content": "what now ?"}, {"role": "assistant", "content": ""},
    ]  # fmt: skip
    prompts = pd.DataFrame({"probe": "advice", "item": ["q1", "q2", "q3", "q4"]})
    prompts["messages"] = [asked] * 4
    found = examples(samples, prompts, judged, "advice", items=2)
    assert list(found.columns) == EXAMPLE_COLUMNS
    assert found["answer"].tolist() == [
        "base says q1", "base says q3", "em says q1", "em says q3",
    ]  # fmt: skip
    assert set(found["question"]) == {"what now ?"}
    assert examples(samples, prompts, judged, "nothing", items=2).empty
