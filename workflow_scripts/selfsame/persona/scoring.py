"""Judge the answers of a trait's table: one score an answer, in the table's order. No torch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import TypeAdapter

from selfsame.judging.trait import Judge, TraitJudge
from selfsame.persona.answer_scores import Score
from selfsame.persona.questions import items_of
from selfsame.tables import parquet
from selfsame.tables.references import REFERENCES


def read_judge(trait: str, judge: Any, names: Sequence[str], data: Path) -> TraitJudge:
    """The judge that a spec gives as plain JSON, with the references of the data folder."""
    rows = parquet.read(data / "references.parquet", REFERENCES)
    references = {row["question"]: row["reference"] for row in rows}
    parsed: Judge = TypeAdapter(Judge).validate_python(judge)
    return TraitJudge(parsed, references, names, f"trait {trait}")


def score_answers(
    judge: TraitJudge, answers: pd.DataFrame, questions: Sequence[str]
) -> list[Score]:
    """Trait score and coherence of each answer. questions: in the order that names the items."""
    by_item: Mapping[str, str] = items_of(questions)
    scores = (
        judge.score(by_item[item], text)
        for item, text in zip(answers["item"], answers["text"], strict=True)
    )
    return [(score.trait, score.coherence) for score in scores]
