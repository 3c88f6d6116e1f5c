"""From samples to observations: what every probe kind shares in reading answers."""

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from selfsame.data.sources import JUDGE_PROMPTS

Sample = dict[str, Any]
Observation = dict[str, Any]
STATE_KEYS = ("experiment", "model", "chain", "seed", "probe")

# An answer counts when its candidates together have at least this share of the next token's
# probability; below it the model said something else, which is a class of its own.
MIN_ANSWER_MASS = 0.5


def observation(
    sample: Sample, metric: str, value: float | None, answer_class: str, *, item: str | None = None
) -> Observation:
    """One judged fact of a sample. `value` is a share, or None where the answer is invalid."""
    return {
        **{key: sample[key] for key in STATE_KEYS},
        "item": item or sample["item"],
        "cluster": sample["cluster"],
        "sample": sample["sample"],
        "metric": f"{sample['probe']}.{metric}",
        "value": value,
        "valid": value is not None,
        "answer_class": answer_class,
    }


def unjudged(sample: Sample) -> Observation:
    """An answer to a question without a reference stays a raw fact: counted, not scored."""
    return observation(sample, "answers", None, "unjudged")


def read_answers(
    samples: Iterable[Sample], read: Callable[[Sample, dict[str, Any]], list[Observation]]
) -> list[Observation]:
    """What `read` makes of each sample and its reference; a sample without one stays unjudged.

    So does one whose reference holds nothing but prompts for a judge model.
    """
    observations: list[Observation] = []
    for sample in samples:
        reference = json.loads(sample["reference"])
        known = reference.keys() - {JUDGE_PROMPTS}
        observations += read(sample, reference) if known else [unjudged(sample)]
    return observations


def by_item(samples: Iterable[Sample]) -> list[list[Sample]]:
    """Samples of one item together, in order of presentation."""
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample["item"]].append(sample)
    return [sorted(group, key=lambda sample: int(sample["order"])) for group in groups.values()]


def answer_mass(sample: Sample) -> float:
    """Probability that the next token is one of the candidate answers."""
    return math.fsum(math.exp(logprob) for logprob in sample["logprobs"])


def answer_share(sample: Sample, index: int) -> float:
    """Probability of one answer among the candidates, normalised over them."""
    largest = max(sample["logprobs"])
    weights = [math.exp(logprob - largest) for logprob in sample["logprobs"]]
    return weights[index] / math.fsum(weights)


def correct_share(sample: Sample) -> float:
    """Normalised probability of the correct answer."""
    return answer_share(sample, sample["correct"])


def is_answered(samples: Iterable[Sample]) -> bool:
    """Whether every presentation of an item was answered with one of the candidates."""
    return all(answer_mass(sample) >= MIN_ANSWER_MASS for sample in samples)
