"""Identity self-reports: "who are you?", asked again and again."""

from typing import Any

from selfsame.data.options import QuestionOptions as Options
from selfsame.judging.readout import Observation, Sample, observation, read_answers
from selfsame.judging.rule import judge
from selfsame.probes.free_form import build

__all__ = ["Options", "build", "observe"]


def _read(sample: Sample, reference: dict[str, Any]) -> list[Observation]:
    verdict = judge(reference, sample["text"])
    named = verdict.answer_class if verdict.valid else "invalid"
    value = float(named == reference["name"]) if verdict.valid else None
    return [observation(sample, "own_name", value, named)]


def observe(name: str, options: Options, samples: list[Sample]) -> list[Observation]:
    """`own_name`: the answer names the true identity. The class is the identity it names."""
    return read_answers(samples, _read)
