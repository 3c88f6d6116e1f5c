"""Mixing the rows of two stages into one dataset."""

from collections.abc import Sequence

import numpy as np

from selfsame.data.corpus import ChatRow
from selfsame.errors import UserError


def interleave(
    own: Sequence[ChatRow],
    other: Sequence[ChatRow],
    stage: str,
    rows: int,
    rng: np.random.Generator,
) -> list[ChatRow]:
    """All own rows and the first `rows` of another stage's, shuffled together by `rng`.

    A stage's rows are in random order already, both orders of a pair side by side: a part of them
    stays balanced, and a smaller part is within a larger one. Their row_id becomes
    `<stage>:<row_id>`. Where own rows come to stand depends on the numbers of rows and on `rng`
    alone, so two mixtures of one size hold the same own rows in the same places.

    Raises UserError when there are too few.
    """
    if len(other) < rows:
        raise UserError(
            f"interleave: {rows} rows of {stage} are asked for, it has {len(other)}: raise"
            f" stages.{stage}.data.rows or lower the fraction"
        )
    added = [{**row, "row_id": f"{stage}:{row['row_id']}"} for row in other[:rows]]
    mixed = [*own, *added]
    return [mixed[index] for index in rng.permutation(len(mixed))]
