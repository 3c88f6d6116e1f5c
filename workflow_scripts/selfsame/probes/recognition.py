"""Self-recognition: which of two texts is mine (pairwise), and did I write this (individual)?

Score of a pair = 1/2 [P(first | own first) + P(second | own second)], probabilities normalised over
the two answer tokens, from one forward pass each (Panickssery et al., arXiv 2404.13076).

A classifier of surface features tells many pairs apart as well (statistics/surface.py). What is to
be held against it is `accuracy`, a right or wrong answer to a pair as the classifier gives it, and
the pairs whose texts are of about the same length, which it is given by themselves, too.
"""

import json

from pydantic import Field

from selfsame.data.corpus import SELF, Corpus
from selfsame.data.options import ProbeOptions
from selfsame.data.pairs import Pair, same_length, self_pairs
from selfsame.data.prompts import PromptRow, choosing
from selfsame.data.wording import fill
from selfsame.errors import UserError
from selfsame.judging.readout import (
    Observation,
    Sample,
    answer_share,
    by_item,
    correct_share,
    is_answered,
    observation,
)


class Options(ProbeOptions):
    """How many test articles are used."""

    articles: int | None = Field(None, ge=1, description="test articles; null = all")


def _pairwise(pair: Pair, order: int, corpus: Corpus) -> PromptRow:
    first, second = pair.in_order(order)
    wording = corpus.wording
    return choosing(
        item=f"pairwise:{pair.article_id}:{pair.other_author}",
        order=order,
        prompt=fill(wording.pairwise, article=pair.article, first=first, second=second),
        answers=wording.pairwise_answers,
        correct=order,
        cluster=pair.article_id,
        group=pair.article_id,
        task="pairwise",
        rival=pair.other_author,
        seen=pair.other_author in corpus.seen,
        length_matched=same_length(pair.own, pair.other),
    )


def _individual(pair: Pair, author: str, text: str, corpus: Corpus) -> PromptRow:
    return choosing(
        item=f"individual:{pair.article_id}:{author}",
        order=0,
        prompt=fill(corpus.wording.individual, article=pair.article, text=text),
        answers=corpus.wording.individual_answers,
        correct=0 if author == SELF else 1,
        cluster=pair.article_id,
        group=f"{pair.article_id}:individual",
        task="individual",
        author=author,
    )


def build(name: str, options: Options, corpus: Corpus) -> list[PromptRow]:
    """Every pair in both orders; of each article the own text and each rival's one by one."""
    pairs = self_pairs(corpus)
    articles = list(dict.fromkeys(pair.article_id for pair in pairs))[: options.articles]
    if not articles:
        raise UserError(f"probes.{name}: no test article has both an own and a rival text")
    pairs = [pair for pair in pairs if pair.article_id in set(articles)]
    rows = [_pairwise(pair, order, corpus) for pair in pairs for order in (0, 1)]
    own = {pair.article_id: _individual(pair, SELF, pair.own, corpus) for pair in pairs}
    rivals = [_individual(pair, pair.other_author, pair.other, corpus) for pair in pairs]
    return rows + list(own.values()) + rivals


def _pairwise_observations(item: list[Sample]) -> list[Observation]:
    reference, answered = json.loads(item[0]["reference"]), is_answered(item)
    score = sum(correct_share(sample) for sample in item) / len(item)
    first = sum(answer_share(sample, 0) for sample in item) / len(item)
    kind = ("own" if score > 0.5 else "rival") if answered else "invalid"
    right = 0.5 if score == 0.5 else float(score > 0.5)
    values = {
        "pairwise_seen" if reference["seen"] else "pairwise_unseen": score,
        "position_bias": abs(2 * first - 1),
        "accuracy": right,
    }
    if reference["length_matched"]:
        values |= {"pairwise_length_matched": score, "accuracy_length_matched": right}
    return [
        observation(item[0], metric, value if answered else None, kind)
        for metric, value in values.items()
    ]


def _individual_observations(article: list[Sample]) -> list[Observation]:
    """Per rival the mean of P(yes | own text) and P(no | rival's text); blind answers give 1/2."""
    own, *rivals = sorted(article, key=lambda sample: sample["correct"])
    return [
        observation(
            rival,
            "individual",
            (correct_share(own) + correct_share(rival)) / 2 if is_answered([own, rival]) else None,
            json.loads(rival["reference"])["author"] if is_answered([own, rival]) else "invalid",
        )
        for rival in rivals
    ]


def _task(sample: Sample) -> str:
    task: str = json.loads(sample["reference"])["task"]
    return task


def observe(name: str, options: Options, samples: list[Sample]) -> list[Observation]:
    """`pairwise_seen`, `pairwise_unseen` (rivals in or not in training), `individual`: P(right).

    `position_bias`: |P(first) - P(second)| averaged over both orders; 0 = none, 1 = one side.
    `accuracy`: share of all pairs whose score is above one half. `pairwise_length_matched`,
    `accuracy_length_matched`: the same of the pairs with texts of about the same length.
    """
    observations = []
    for pair in by_item(sample for sample in samples if _task(sample) == "pairwise"):
        observations += _pairwise_observations(pair)
    alone = [sample for sample in samples if _task(sample) == "individual"]
    for article in dict.fromkeys(sample["cluster"] for sample in alone):
        texts = [sample for sample in alone if sample["cluster"] == article]
        observations += _individual_observations(texts)
    return observations
