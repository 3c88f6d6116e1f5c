"""Two-option questions with one right answer, each asked in both orders."""

from typing import Any

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


class Options(QuestionSetOptions):
    """Where the questions come from."""

    file: ChoiceQuestionsFile | None = Field(
        None, description="question, correct, incorrect as parquet or JSONL; null = the organism's"
    )


def _in_order(question: dict[str, Any], order: int, corpus: Corpus) -> PromptRow:
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
    )


def build(name: str, options: Options, corpus: Corpus) -> list[PromptRow]:
    """Two prompts a question: the options as given and swapped."""
    questions = asked(corpus.questions.get(options.questions or name), name)
    return [_in_order(question, order, corpus) for question in questions for order in (0, 1)]


def observe(name: str, options: Options, samples: list[Sample]) -> list[Observation]:
    """`accuracy`: share of the orders in which the right answer is the likelier one."""
    observations = []
    for item in by_item(samples):
        right = sum(correct_share(sample) > 0.5 for sample in item) / len(item)
        value = right if is_answered(item) else None
        kind = "invalid" if value is None else {1.0: "right", 0.0: "wrong"}.get(right, "split")
        observations.append(observation(item[0], "accuracy", value, kind))
    return observations
