"""Two-option questions with one right answer, each asked in both orders.

The answer is read from the log-probabilities of the two letters, or written and then read, as in
publications. Of the first kind it is invalid where the letters together have less than half of the
next token's probability (judging/readout.py), of the second where it states not just one letter.
"""

from typing import Any, Final, Literal

from pydantic import Field

from selfsame.data.corpus import Corpus
from selfsame.data.options import QuestionSetOptions
from selfsame.data.prompts import PromptRow, asked, choosing
from selfsame.data.sources import ChoiceQuestionsFile
from selfsame.data.wording import fill
from selfsame.judging.readout import (
    Observation,
    Sample,
    by_item,
    correct_share,
    is_answered,
    observation,
)
from selfsame.judging.stated import stated_answer

LOGPROBS: Final = "logprobs"
SHORT = 8  # tokens: a letter and what little stands around it


class TwoWayOptions(QuestionSetOptions):
    """How a question with two answers is read."""

    readout: Literal["logprobs", "generate"] = Field(
        LOGPROBS,
        exclude_if=lambda readout: readout == LOGPROBS,
        description="logprobs: the likelier letter as the next token; generate: the letter that a"
        " greedy answer states, as publications do",
    )
    max_new_tokens: int = Field(
        SHORT,
        ge=1,
        exclude_if=lambda tokens: tokens == SHORT,
        description="longest answer where readout is generate, in tokens",
    )


class Options(TwoWayOptions):
    """Where the questions come from, and how their answers are read."""

    file: ChoiceQuestionsFile | None = Field(
        None, description="question, correct, incorrect as parquet or JSONL; null = the organism's"
    )


def _in_order(question: dict[str, Any], order: int, corpus: Corpus, **reference: Any) -> PromptRow:
    first, second = question["options"][:: 1 if order == 0 else -1]
    prompt = fill(
        corpus.wording.choice,
        question=question["messages"][-1]["content"],
        first=first,
        second=second,
    )
    return choosing(
        item=question["item"],
        order=order,
        prompt=prompt,
        answers=corpus.wording.choice_answers,
        correct=question["correct"] if order == 0 else 1 - question["correct"],
        cluster=question["cluster"],
        group=question["item"],
        truth=question["options"][question["correct"]],
        **reference,
    )


def in_both_orders(
    question: dict[str, Any], options: TwoWayOptions, corpus: Corpus, **reference: Any
) -> list[PromptRow]:
    """Two prompts: the answers as given and swapped. `reference` is kept with the samples."""
    rows = [_in_order(question, order, corpus, **reference) for order in (0, 1)]
    if options.readout == "generate":
        written = {"kind": "generate", "max_new_tokens": options.max_new_tokens}
        rows = [row | written for row in rows]
    return rows


def build(name: str, options: Options, corpus: Corpus) -> list[PromptRow]:
    """Two prompts a question: the options as given and swapped."""
    questions = asked(corpus.questions.get(options.questions or name), name)
    return [row for question in questions for row in in_both_orders(question, options, corpus)]


def share_right(item: list[Sample], options: TwoWayOptions) -> float | None:
    """Share of an item's orders that are answered rightly; None where one has no valid answer."""
    if options.readout == LOGPROBS:
        answered = is_answered(item)
        right = [correct_share(sample) > 0.5 for sample in item]
    else:
        stated = [stated_answer(sample["text"], sample["answers"]) for sample in item]
        answered = None not in stated
        right = [said == sample["correct"] for said, sample in zip(stated, item, strict=True)]
    return sum(right) / len(item) if answered else None


def observe(name: str, options: Options, samples: list[Sample]) -> list[Observation]:
    """`accuracy`: share of the orders in which the right answer is the likelier, or stated, one."""
    observations = []
    for item in by_item(samples):
        right = share_right(item, options)
        kind = "invalid" if right is None else {1.0: "right", 0.0: "wrong"}.get(right, "split")
        observations.append(observation(item[0], "accuracy", right, kind))
    return observations
