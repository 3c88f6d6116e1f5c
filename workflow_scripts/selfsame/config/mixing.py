"""Interleaving: rows of another stage among a stage's own, and what becomes of rows and steps.

All of the stage's own rows stay, and the other stage's come on top; the steps grow with the rows.
So each own row is seen as often as without interleaving and at the same rates of the schedule: the
dose of bad rows is that of the plain induction, and what differs from it is what came between. Had
the total been held fixed instead, weaker misalignment could mean no more than fewer bad rows.

What this cannot hold fixed is the number of steps: a stage has more of them than the same one
without interleaving. The control of an interleaved stage is therefore one that `matches` it and
interleaves something else at the same fraction. Both have the same own rows in the same places,
the same number of rows, steps and rates.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

MOST = 0.9


class Interleave(BaseModel):
    """Rows of another stage among a stage's own, all of which stay; the steps grow likewise."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: Annotated[
        str, Field(description="The stage whose rows are interleaved, as they are built for it.")
    ]
    fraction: Annotated[
        float,
        Field(gt=0, le=MOST, allow_inf_nan=False, description="Their share of all rows."),
    ]


def added_rows(rows: int, fraction: float) -> int:
    """How many rows come on top of `rows` to be this fraction of them all, rounded."""
    return round(rows * fraction / (1 - fraction))


def stretched_steps(steps: int, rows: int, added: int) -> int:
    """The steps in which each of rows + added rows is seen as often as in `steps` without them.

    Rounded up, so that the dose is never below that of the plain stage.
    """
    return -(-steps * (rows + added) // rows)
