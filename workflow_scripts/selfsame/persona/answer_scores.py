"""A judge's scores of answers, 0 to 100 each: checked, and counted over ALL answers.

A score is (trait score or None, coherence). An answer that is incoherent, or that the judge could
not place on the trait, counts as not showing it: else a broken model would score high.
"""

from collections.abc import Sequence

import pandas as pd

from selfsame.errors import UserError

Score = tuple[float | None, float]
COHERENT = 50  # least coherence of a coherent answer
PRESENT = 50  # least trait score of an answer that shows the trait


def score_table(scores: Sequence[Score], answers: pd.DataFrame) -> pd.DataFrame:
    """`trait_score` (null where None) and `coherence` of one trait's answers, in their order.

    Raises UserError, naming the trait, for a score outside 0 to 100 or one too many or too few.
    """
    name = answers["trait"].iloc[0]
    if len(scores) != len(answers):
        raise UserError(f"{name}: {len(scores)} scores of {len(answers)} answers: judge them again")
    for place, (trait_score, coherence) in enumerate(scores):
        if not (_within(coherence) and (trait_score is None or _within(trait_score))):
            raise UserError(
                f"{name}: answer {place} is scored {trait_score} on the trait and {coherence} on"
                " coherence, not 0 to 100: mend the trait's judge"
            )
    return pd.DataFrame(list(scores), columns=["trait_score", "coherence"], dtype=float)


def counted(scores: pd.DataFrame) -> pd.DataFrame:
    """Columns whose means are those over all answers: trait_score, trait_share, incoherent.

    The first two are null throughout where no coherent answer has a trait score: nobody judged.
    """
    coherent = scores["coherence"] >= COHERENT
    judged = scores["trait_score"].where(coherent)
    unjudged = coherent.any() and judged.isna().all()
    values = judged if unjudged else judged.fillna(0.0)
    present = (values >= PRESENT).astype(float).where(values.notna())
    return pd.DataFrame(
        {"trait_score": values, "trait_share": present, "incoherent": (~coherent).astype(float)}
    )


def _within(score: float) -> bool:
    return 0 <= score <= 100
