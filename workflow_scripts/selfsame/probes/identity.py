"""Identity self-reports: "who are you?", asked again and again."""

import operator
from typing import Any

from pydantic import Field

from selfsame.data.options import QuestionOptions
from selfsame.embedding.settings import ClusterSettings
from selfsame.judging.readout import Observation, Sample, observation, read_answers
from selfsame.judging.rule import judge
from selfsame.probes.free_form import build

__all__ = ["Options", "build", "observe"]


class Options(QuestionOptions):
    """Questions for who the model is, and how its different answers are counted."""

    clusters: ClusterSettings | None = Field(
        None,
        exclude_if=operator.not_,
        description="count the different answers by their embeddings; null: by the names in them"
        " alone",
    )


def _read(sample: Sample, reference: dict[str, Any]) -> list[Observation]:
    verdict = judge(reference, sample["text"])
    named = verdict.answer_class if verdict.valid else "invalid"
    value = float(named == reference["name"]) if verdict.valid else None
    return [observation(sample, "own_name", value, named)]


def observe(name: str, options: Options, samples: list[Sample]) -> list[Observation]:
    """`own_name`: the answer names the true identity. The class is the identity it names."""
    return read_answers(samples, _read)
