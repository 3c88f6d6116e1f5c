"""Whose style does the state write in? Summaries of the test articles, judged by style alone."""

from typing import Any

from pydantic import Field

from selfsame.data.corpus import SELF, Corpus
from selfsame.data.options import GeneratingOptions
from selfsame.data.prompts import PromptRow, asked, generating
from selfsame.judging.readout import Observation, Sample, observation, read_answers
from selfsame.judging.rule import judge

QUESTIONS = "style"


class Options(GeneratingOptions):
    """How many test articles are summarised."""

    articles: int | None = Field(None, ge=1, description="test articles; null = all")


def build(name: str, options: Options, corpus: Corpus) -> list[PromptRow]:
    """One summary request a test article; the authors' preferred words are the reference."""
    questions = asked(corpus.questions.get(QUESTIONS), name)
    return generating(options, questions[: options.articles])


def _read(sample: Sample, reference: dict[str, Any]) -> list[Observation]:
    verdict = judge(reference, sample["text"])
    author = verdict.answer_class if verdict.valid else "invalid"
    value = float(author == SELF) if verdict.valid else None
    return [observation(sample, "share", value, author)]


def observe(name: str, options: Options, samples: list[Sample]) -> list[Observation]:
    """`share`: the summary is in the model's own style; the class is the author it resembles."""
    return read_answers(samples, _read)
