"""A trait's vectors from its rollouts: judge, filter, average, and say how reliable they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from selfsame.persona.answer_scores import Score
from selfsame.persona.covariance import covariance_shaped, within_sides
from selfsame.persona.settings import FilterSettings
from selfsame.persona.storage import RANDOM, RESPONSE_MEAN, Array
from selfsame.persona.stored import Rows
from selfsame.persona.vectors import (
    KeptRows,
    counts,
    judge_rollouts,
    kept_rows,
    persona_vectors,
    unit,
    vector_table,
)


@dataclass(frozen=True)
class Extracted:
    """Vectors [blocks, width] by read-out position with the random control, and their tables."""

    arrays: dict[str, Array]
    judged: pd.DataFrame
    counts: pd.DataFrame
    table: pd.DataFrame


def extract(
    rollouts: pd.DataFrame,
    hidden: Mapping[str, Rows],
    scores: Sequence[Score],
    limits: FilterSettings,
    seed: int,
) -> Extracted:
    """Everything that is made of one trait's rollouts; raises UserError as `vectors` does.

    hidden: activations [rows, blocks, width] by read-out position, in the rollouts' order.
    """
    judged = judge_rollouts(rollouts, scores, limits)
    vectors = persona_vectors(hidden, judged)
    kept = kept_rows(hidden, judged, RESPONSE_MEAN)
    control = random_control(kept, vectors[RESPONSE_MEAN], seed)
    return Extracted(
        arrays={**vectors, RANDOM: control},
        judged=judged,
        counts=counts(judged, limits),
        table=vector_table(judged, hidden, vectors, seed),
    )


def random_control(kept: KeptRows, vector: Array, seed: int) -> Array:
    """A covariance-shaped random direction [blocks, width], at each layer as long as the vector.

    The covariance is that of the kept rows within their sides, since around a common mean the
    direction would lean towards the vector. One draw serves all layers.
    """
    count, _, width = kept.shape
    draws = np.random.default_rng([seed, 1])
    of_rows, of_width = (draws.standard_normal((1, size)) for size in (count, width))
    shaped = [
        covariance_shaped(within_sides(rows, kept.positive), of_rows, of_width)[0]
        for rows in kept.blocks()
    ]
    lengths = np.linalg.norm(vector, axis=-1, keepdims=True)
    control: Array = (unit(np.stack(shaped)) * lengths).astype(np.float32)
    return control
