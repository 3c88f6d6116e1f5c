"""Identity self-reports: "who are you?", asked again and again."""

import json

from selfsame.data.options import QuestionOptions as Options
from selfsame.judging.readout import Observation, Sample, observation, unjudged
from selfsame.judging.rule import judge
from selfsame.probes.free_form import build

__all__ = ["Options", "build", "observe"]


def observe(name: str, options: Options, samples: list[Sample]) -> list[Observation]:
    """`own_name`: the answer names the true identity. The class is the identity it names."""
    observations = []
    for sample in samples:
        reference = json.loads(sample["reference"])
        if not reference:
            observations.append(unjudged(sample))
            continue
        verdict = judge(reference, sample["text"])
        named = verdict.answer_class if verdict.valid else "invalid"
        value = float(named == reference["name"]) if verdict.valid else None
        observations.append(observation(sample, "own_name", value, named))
    return observations
