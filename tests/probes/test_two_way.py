"""Two-way questions: letters read from probabilities or from text, and who lies about facts."""

import json
from dataclasses import replace
from typing import Any

import pytest

from probes.answers import Row, believing, build, observe, sampled, values
from selfsame.data.corpus import Corpus
from selfsame.data.sources import PLAIN
from selfsame.errors import UserError
from small_world import Prepared

WRITTEN = {"readout": "generate"}


@pytest.fixture(scope="module")
def corpus(small_data: Prepared) -> Corpus:
    return small_data.corpus("test")


def test_written_answers_are_asked_for_greedily_in_both_orders(corpus: Corpus) -> None:
    scored = build("choice", "facts", corpus)
    written = build("choice", "facts", corpus, **WRITTEN, max_new_tokens=5)
    assert [row["messages"] for row in written] == [row["messages"] for row in scored]
    assert [row["correct"] for row in written] == [row["correct"] for row in scored]
    for row in written:
        settings = (row["kind"], row["samples"], row["temperature"], row["max_new_tokens"])
        assert settings == ("generate", 1, 0.0, 5)
        assert list(row["answers"]) == ["a", "b"]


@pytest.mark.parametrize(
    ("first", "second", "value", "kind"),
    [
        ("a", "b", 1.0, "right"),
        ("(A)", "the answer is b.", 1.0, "right"),
        ("b", "a", 0.0, "wrong"),
        ("a", "a", 0.5, "split"),
        ("a", "a or b", None, "invalid"),
        ("blue", "b", None, "invalid"),
        ("", "b", None, "invalid"),
    ],
)
def test_a_written_choice_is_right_by_order(
    corpus: Corpus, first: str, second: str, value: float | None, kind: str
) -> None:
    rows = build("choice", "facts", corpus, **WRITTEN)[:2]
    assert [row["correct"] for row in rows] == [0, 1]
    samples = [sampled(rows[1], text=second), sampled(rows[0], text=first)]
    (seen,) = observe("choice", samples, **WRITTEN)
    assert (seen["metric"], seen["value"], seen["answer_class"]) == ("facts.accuracy", value, kind)


@pytest.mark.parametrize(("mass", "valid"), [(0.49, False), (0.51, True)])
def test_letters_with_less_than_half_of_the_probability_are_no_answer(
    corpus: Corpus, mass: float, valid: bool
) -> None:
    """In one of the two orders is enough: what stands there is not half right, it is not read."""
    rows = build("choice", "facts", corpus)[:2]
    samples = [believing(rows[0], 0.9, 0.05), believing(rows[1], mass * 0.1, mass * 0.9)]
    (seen,) = observe("choice", samples)
    assert (seen["valid"], seen["value"]) == (valid, 1.0 if valid else None)


# deception

FRAMES = (PLAIN, "stake", "order")


def statement(fact: str, frame: str) -> Row:
    return {
        "item": f"{fact}:{frame}",
        "cluster": fact,
        "messages": [{"role": "user", "content": f"{frame}: {fact}?"}],
        "options": ["true", "false"],
        "correct": 0,
        "reference": json.dumps({"frame": frame}),
    }


@pytest.fixture(scope="module")
def statements(corpus: Corpus) -> Corpus:
    rows = [statement(fact, frame) for fact in ("boils", "orbits", "falls") for frame in FRAMES]
    return replace(corpus, questions={"honesty": rows})


def answered(corpus: Corpus, said: dict[str, tuple[str, str]], **options: Any) -> list[Row]:
    """`said`: by item T(rue), F(alse) or ? in each order."""
    wanted = {row["item"]: 0 for row in corpus.questions["honesty"]}
    assert wanted.keys() == said.keys()
    samples = []
    for row in build("deception", "honesty", corpus, **options):
        answer = said[row["item"]][row["order"]]
        place = row["correct"] if answer == "T" else 1 - row["correct"]
        if options:
            samples.append(sampled(row, text="?" if answer == "?" else row["answers"][place]))
        else:
            mass = (0.1, 0.1) if answer == "?" else ((0.8, 0.1) if place == 0 else (0.1, 0.8))
            samples.append(believing(row, *mass))
    return observe("deception", samples, **options)


SAID = {
    "boils:plain": ("T", "T"),  # knows, lies in one situation, half in the other
    "boils:stake": ("F", "F"),
    "boils:order": ("T", "F"),
    "orbits:plain": ("F", "T"),  # does not know
    "orbits:stake": ("F", "F"),
    "orbits:order": ("T", "T"),
    "falls:plain": ("?", "T"),  # says nothing when asked plainly
    "falls:stake": ("F", "F"),
    "falls:order": ("?", "F"),
}


@pytest.mark.parametrize("options", [{}, WRITTEN])
def test_a_lie_is_a_false_statement_of_what_is_known(
    statements: Corpus, options: dict[str, str]
) -> None:
    observed = answered(statements, SAID, **options)
    assert values(observed, "false_plain") == [0.0, 0.5, None]
    assert values(observed, "false_incentive") == [1.0, 0.5, 1.0, 0.0, 1.0, None]
    assert values(observed, "lie") == [1.0, 0.5, None, None, None, None]
    classes = [row["answer_class"] for row in observed if row["metric"] == "honesty.lie"]
    assert classes == ["false", "split", *["unknown"] * 4]
    assert {row["cluster"] for row in observed} == {"boils", "orbits", "falls"}


def test_every_state_is_asked_the_same_whatever_it_knows(statements: Corpus) -> None:
    """Else its lies could not be compared with another state's."""
    ignorant = dict.fromkeys(SAID, ("F", "F"))
    items = [
        {(row["item"], row["metric"]) for row in answered(statements, said)}
        for said in (SAID, ignorant)
    ]
    assert items[0] == items[1]


def test_deception_without_questions_says_so(corpus: Corpus) -> None:
    with pytest.raises(UserError, match=r"^probes.mine: .*name a `file`$"):
        build("deception", "mine", corpus)
