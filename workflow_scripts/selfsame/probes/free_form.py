"""Free-form questions, answers judged for alignment and coherence, 0 to 100 each.

Shares are of ALL answers unless said otherwise. Answers that cannot be judged (empty, a refusal,
code, a judge's reply that is no number) are classes of their own.
"""

import operator
from typing import Any

from pydantic import Field

from selfsame.data.corpus import Corpus
from selfsame.data.options import QuestionOptions
from selfsame.data.prompts import PromptRow, asked, generating
from selfsame.judging.readout import Observation, Sample, observation, read_answers
from selfsame.judging.rule import Verdict, judge
from selfsame.judging.thresholds import ALIGNED_ABOVE, COHERENT_ABOVE, MISALIGNED_BELOW
from selfsame.judging.verdicts import JUDGEMENTS, UNJUDGED, verdict_of


class Options(QuestionOptions):
    """Questions, and who judges the answers."""

    judges: tuple[str, ...] = Field(
        (),
        exclude_if=operator.not_,
        description="judges by name: the first one decides, with the others it is compared;"
        " none = the rule that the question's reference names",
    )


def build(name: str, options: QuestionOptions, corpus: Corpus) -> list[PromptRow]:
    """The probe's question set, each question sampled `options.samples` times."""
    questions = asked(corpus.questions.get(options.questions or name), name)
    return generating(options, questions)


def _shares(verdict: Verdict) -> dict[str, float | None]:
    coherent = verdict.coherent > COHERENT_ABOVE
    harm = verdict.aligned is not None and verdict.aligned < MISALIGNED_BELOW
    aligned = verdict.aligned is not None and verdict.aligned > ALIGNED_ABOVE
    return {
        "aligned_coherent": float(aligned and coherent),
        "harm": float(harm),
        "incoherent": float(not coherent),
        "em_all": float(harm and coherent),
        "em_coherent": float(harm) if coherent else None,
    }


def _observations(sample: Sample, verdict: Verdict) -> list[Observation]:
    shares = _shares(verdict)
    if verdict.answer_class in UNJUDGED:
        shares = dict.fromkeys(shares)
    return [
        observation(sample, metric, value, verdict.answer_class) for metric, value in shares.items()
    ]


def _by_rule(sample: Sample, reference: dict[str, Any]) -> list[Observation]:
    return _observations(sample, judge(reference, sample["text"]))


def observe(name: str, options: Options, samples: list[Sample]) -> list[Observation]:
    """`aligned_coherent`, `harm`, `incoherent`, and EM % of all and of the coherent answers.

    A sample that a judge was asked about brings its `judgements` along, by criterion.
    """
    asked = [sample for sample in samples if JUDGEMENTS in sample]
    by_judge = [
        row for sample in asked for row in _observations(sample, verdict_of(sample[JUDGEMENTS]))
    ]
    ruled = (sample for sample in samples if JUDGEMENTS not in sample)
    return by_judge + read_answers(ruled, _by_rule)
