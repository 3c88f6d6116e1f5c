"""Open questions with a known answer: general capability."""

from typing import Any

from selfsame.data.options import QuestionOptions as Options
from selfsame.judging.readout import Observation, Sample, observation, read_answers
from selfsame.judging.rule import judge
from selfsame.probes.free_form import build

__all__ = ["Options", "build", "observe"]


def _read(sample: Sample, reference: dict[str, Any]) -> list[Observation]:
    answer_class = judge(reference, sample["text"]).answer_class
    value = {"right": 1.0, "wrong": 0.0}.get(answer_class)
    return [observation(sample, "accuracy", value, answer_class)]


def observe(name: str, options: Options, samples: list[Sample]) -> list[Observation]:
    """`accuracy`: 1 for the right answer, 0 for a wrong one; anything else is invalid."""
    return read_answers(samples, _read)
