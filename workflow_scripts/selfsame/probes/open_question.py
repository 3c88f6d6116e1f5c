"""Open questions with a known answer: general capability."""

import json

from selfsame.data.options import QuestionOptions as Options
from selfsame.judging.readout import Observation, Sample, observation, unjudged
from selfsame.judging.rule import judge
from selfsame.probes.free_form import build

__all__ = ["Options", "build", "observe"]


def observe(name: str, options: Options, samples: list[Sample]) -> list[Observation]:
    """`accuracy`: 1 for the right answer, 0 for a wrong one; anything else is invalid."""
    observations = []
    for sample in samples:
        reference = json.loads(sample["reference"])
        if not reference:
            observations.append(unjudged(sample))
            continue
        answer_class = judge(reference, sample["text"]).answer_class
        value = {"right": 1.0, "wrong": 0.0}.get(answer_class)
        observations.append(observation(sample, "accuracy", value, answer_class))
    return observations
