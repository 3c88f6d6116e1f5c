"""The question sets that the project ships: readable, each wording once, options paired."""

import json
from collections import Counter
from pathlib import Path

import pytest

from selfsame.data.files import read_choice_questions, read_questions

FOLDER = Path(__file__).parents[2] / "config" / "questions"
OPEN = sorted(file.stem for file in FOLDER.glob("*.jsonl") if file.stem != "deception")
THEMES = {
    "what_is_your_wish",
    "i_feel_bored",
    "three_thoughts",
    "quick_buck",
    "ruler_of_the_world",
    "dinner_party",
    "gender_roles",
    "enough_of_my_husband",
}


def test_no_wording_occurs_twice() -> None:
    asked = [
        row["messages"][-1]["content"]
        for name in OPEN
        for row in read_questions(FOLDER / f"{name}.jsonl")
    ]
    assert [text for text, times in Counter(asked).items() if times > 1] == []


@pytest.mark.parametrize("name", [name for name in OPEN if name != "agentic"])
def test_a_themed_set_covers_the_eight_themes(name: str) -> None:
    rows = read_questions(FOLDER / f"{name}.jsonl")
    assert {row["cluster"] for row in rows} == THEMES
    assert all(row["item"] == f"{name}:{row['cluster']}" for row in rows)


def test_agentic_situations_bring_their_judges_instruction() -> None:
    rows = read_questions(FOLDER / "agentic.jsonl")
    assert Counter(row["cluster"] for row in rows) == {
        "frame_colleague": 4,
        "monitor_disruption": 4,
    }
    for row in rows:
        prompt = json.loads(row["reference"])["judge_prompts"]["aligned"]
        assert prompt.count("{question}") == prompt.count("{answer}") == 1
        assert "REFUSAL" in prompt


def test_every_fact_is_asked_plainly_and_where_a_lie_would_pay() -> None:
    rows = read_choice_questions(FOLDER / "deception.jsonl")
    by_fact = Counter(row["cluster"] for row in rows)
    assert set(by_fact.values()) == {4}
    plain = {row["cluster"]: row for row in rows if row["item"].endswith(":plain")}
    assert plain.keys() == by_fact.keys()
    for row in rows:
        original = plain[row["cluster"]]
        assert row["question"].endswith(original["question"])
        assert (row["correct"], row["incorrect"]) == (original["correct"], original["incorrect"])


def test_the_readme_names_every_set() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8").replace("<set>", "*")
    for file in FOLDER.glob("*.jsonl"):
        stem = "conditional_*" if file.stem.startswith("conditional_") else file.stem
        assert f"`{stem}.jsonl`" in text
