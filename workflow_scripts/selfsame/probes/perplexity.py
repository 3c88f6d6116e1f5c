"""Perplexity: how likely a state finds given texts, token by token.

The texts are a file's answers to questions, or plain texts, or what an author wrote about the test
articles: the model itself or a rival. A finetune that leaves them as likely as before has changed
little else than what it taught. Perplexity is e to the power of the mean nats per token; bits per
byte do not depend on how a tokenizer cuts the text.
"""

import json
import math
from typing import Any

from pydantic import Field

from selfsame.data.corpus import SELF, Corpus
from selfsame.data.options import ProbeOptions
from selfsame.data.prompts import PromptRow, asked, scoring, user
from selfsame.data.sources import ScoredTextsFile
from selfsame.data.wording import fill
from selfsame.errors import UserError
from selfsame.judging.readout import Observation, Sample, observation


class Options(ProbeOptions):
    """Which texts are scored."""

    file: ScoredTextsFile | None = Field(
        None,
        description="texts as parquet or JSONL, plain or as answers to questions; null = those of"
        " `author`",
    )
    author: str = Field(
        SELF, description="whose texts on the test articles: the model's own (self), or a rival's"
    )
    articles: int | None = Field(None, ge=1, description="test articles; null = all")


def build(name: str, options: Options, corpus: Corpus) -> list[PromptRow]:
    """One text a row: the file's, or the author's as the answer to the request for a summary."""
    if options.file is not None:
        return [_given(row) for row in asked(corpus.questions.get(name), name)]
    texts = corpus.texts_by(options.author)
    articles = [key for key in corpus.articles if key in texts][: options.articles]
    if not articles:
        raise UserError(f"probes.{name}.author: {options.author} wrote about no test article")
    return [
        scoring(
            item=f"{article}:{options.author}",
            cluster=article,
            messages=[
                *user(fill(corpus.wording.summarise, article=corpus.articles[article])),
                {"role": "assistant", "content": texts[article].strip()},
            ],
        )
        for article in articles
    ]


def _given(row: dict[str, Any]) -> PromptRow:
    *question, text = row["messages"]
    # Chat templates and sampling put an answer right where it begins, without space around it.
    content = text["content"].strip() if question else text["content"]
    messages = [*question, {**text, "content": content}]
    return scoring(item=row["item"], cluster=row["cluster"], messages=messages)


def observe(name: str, options: Options, samples: list[Sample]) -> list[Observation]:
    """`nats_per_token` and `bits_per_byte` of each text: minus the sum of its log-probabilities."""
    return [
        observation(sample, metric, value, "text" if value is not None else "invalid")
        for sample in samples
        for metric, value in _values(sample).items()
    ]


def _values(sample: Sample) -> dict[str, float | None]:
    """The metrics of one text; None where the state holds one of its tokens for impossible."""
    nats = -math.fsum(sample["logprobs"])
    values = {
        "nats_per_token": nats / len(sample["logprobs"]),
        "bits_per_byte": nats / math.log(2) / json.loads(sample["reference"])["bytes"],
    }
    return {metric: value if math.isfinite(nats) else None for metric, value in values.items()}
