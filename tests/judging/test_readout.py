"""Reading answers off log-probabilities, against the sums written out."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfsame.judging import readout

LOGPROBS = st.lists(st.floats(-80, 0), min_size=2, max_size=4)


def sample(logprobs: list[float], **more: Any) -> dict[str, Any]:
    keys = {"experiment": "e", "model": "m", "chain": "em", "seed": 1, "probe": "p"}
    facts = {"item": "i", "cluster": "c", "order": 0, "sample": 0, "correct": 0}
    return {**keys, **facts, "logprobs": logprobs, **more}


@given(LOGPROBS)
def test_shares_are_probabilities_normalised_over_the_answers(logprobs: list[float]) -> None:
    weights = [math.exp(value) for value in logprobs]
    for index, weight in enumerate(weights):
        share = readout.answer_share(sample(logprobs), index)
        assert share == pytest.approx(weight / sum(weights), rel=1e-9)
    assert readout.answer_mass(sample(logprobs)) == pytest.approx(sum(weights))


def test_shares_of_answers_too_unlikely_for_floats() -> None:
    """Both probabilities are zero as floats; their ratio is not."""
    far = sample([-1000.0, -1000.0 - math.log(3)], correct=1)
    assert readout.correct_share(far) == pytest.approx(0.25)
    assert not readout.is_answered([far])


def test_an_item_is_answered_when_every_order_is() -> None:
    full, low = sample([math.log(0.3), math.log(0.3)]), sample([math.log(0.3), math.log(0.1)])
    just = sample([math.log(0.25), math.log(0.25)])
    assert readout.is_answered([full, just])
    assert not readout.is_answered([full, low])


def test_samples_are_grouped_by_item_in_order() -> None:
    given_order = [("b", 1), ("a", 1), ("b", 0), ("a", 0)]
    samples = [sample([], item=item, order=order) for item, order in given_order]
    groups = readout.by_item(samples)
    assert [[(s["item"], s["order"]) for s in group] for group in groups] == [
        [("b", 0), ("b", 1)],
        [("a", 0), ("a", 1)],
    ]


@pytest.mark.parametrize(("value", "valid"), [(0.0, True), (0.25, True), (None, False)])
def test_an_observation_keeps_the_keys(value: float | None, valid: bool) -> None:
    made = readout.observation(sample([], sample=3), "harm", value, "misaligned")
    assert made == {
        "experiment": "e",
        "model": "m",
        "chain": "em",
        "seed": 1,
        "probe": "p",
        "item": "i",
        "cluster": "c",
        "sample": 3,
        "metric": "p.harm",
        "value": value,
        "valid": valid,
        "answer_class": "misaligned",
    }
