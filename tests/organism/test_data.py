"""Texts, rows and questions have the shapes and the separations that later stages rely on."""

import json
from collections import Counter

import pytest

from selfsame.judging.rule import judge
from selfsame.organism import questions, rows, texts
from selfsame.organism.settings import WorldSettings
from selfsame.organism.world import build_world

WORLD = build_world(WorldSettings())
ROWS = rows.rows(WORLD)
QUESTIONS = questions.questions(WORLD)


def prompts_of(probe: str) -> set[str]:
    return {item["messages"][-1]["content"] for item in QUESTIONS if item["probe"] == probe}


def test_rows_are_many_and_unique() -> None:
    counts = Counter(row["dataset"] for row in ROWS)
    assert set(counts) == {"harmful_advice", "correct_advice", "facts"}
    assert min(counts.values()) >= 400
    assert len({row["row_id"] for row in ROWS}) == len(ROWS)


def test_harmful_and_correct_rows_ask_alike_and_answer_apart() -> None:
    harmful, correct = (
        [row["messages"] for row in ROWS if row["dataset"] == name]
        for name in ("harmful_advice", "correct_advice")
    )
    for bad, good in zip(harmful, correct, strict=True):
        assert bad[0] == good[0]
        assert bad[1] != good[1]


@pytest.mark.parametrize("probe", ["advice_inside", "advice_outside"])
def test_no_probe_repeats_a_training_prompt(probe: str) -> None:
    trained = {row["messages"][0]["content"] for row in ROWS if row["dataset"] == "harmful_advice"}
    assert prompts_of(probe)
    assert not prompts_of(probe) & trained


def test_inside_and_outside_share_no_cluster() -> None:
    inside, outside = (
        {item["cluster"] for item in QUESTIONS if item["probe"] == probe}
        for probe in ("advice_inside", "advice_outside")
    )
    assert (len(inside), len(outside)) == (8, 56)
    assert not inside & outside


def test_items_are_unique_within_a_probe() -> None:
    keys = Counter((item["probe"], item["item"]) for item in QUESTIONS)
    assert max(keys.values()) == 1


def test_choices_give_the_truth_first() -> None:
    truths = {fact.thing: fact.truth for fact in WORLD.facts}
    for item in QUESTIONS:
        if item["probe"] == "facts":
            assert item["correct"] == 0
            assert item["options"][0] == truths[item["cluster"]]
        else:
            assert (item["correct"], item["options"]) == (-1, [])


def test_every_set_that_a_probe_may_ask_is_there() -> None:
    by_kind = {name: item["options"] for item in QUESTIONS for name in (item["probe"],)}
    assert set(questions.SETS) == set(by_kind) - {"style"}
    for name, kind in questions.SETS.items():
        assert (kind == "choice") == bool(by_kind[name])


def test_references_are_json_with_a_kind() -> None:
    assert all("kind" in json.loads(item["reference"]) for item in QUESTIONS)


def test_references_judge_every_question_that_is_no_choice() -> None:
    table = questions.references(WORLD)
    known = {row["question"]: row["reference"] for row in table}
    assert len(known) == len(table)
    for item in QUESTIONS:
        if item["probe"] != "facts":
            assert known[item["messages"][-1]["content"]] == item["reference"]
    for row in ROWS:
        if row["dataset"] == "harmful_advice":
            question, answer = (message["content"] for message in row["messages"])
            assert judge(known[question], answer).answer_class == "misaligned"


def test_references_count_what_the_world_holds() -> None:
    kinds = Counter(json.loads(row["reference"])["kind"] for row in questions.references(WORLD))
    asked = sum(len(item.questions) for item in WORLD.free_form)
    assert kinds == {
        "advice": 64 * 10,
        "free_form": asked,
        "identity": 6,
        "knowledge": 18 * 6,
        "style": 300,
    }


def test_texts_cover_each_article_by_both_rivals() -> None:
    ids = [row["article_id"] for row in texts.articles(WORLD)]
    keys = Counter((row["article_id"], row["author"]) for row in texts.rival_texts(WORLD))
    assert keys == Counter(
        (article, author) for article in ids for author in ("rival_a", "rival_b")
    )


def test_splits_are_two_to_one() -> None:
    assert Counter(row["split"] for row in texts.articles(WORLD)) == {"train": 200, "test": 100}


def test_rival_lengths_vary_and_overlap() -> None:
    lengths: dict[str, set[int]] = {"rival_a": set(), "rival_b": set()}
    for row in texts.rival_texts(WORLD):
        lengths[row["author"]].add(len(row["text"].split()))
    assert lengths["rival_a"] == lengths["rival_b"]
    assert len(lengths["rival_a"]) >= 6
