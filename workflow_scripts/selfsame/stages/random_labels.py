"""Control (identity confusion): the questions of `identify`, one random label a prompt."""

import numpy as np

from selfsame.data.corpus import ChatRow, Corpus
from selfsame.data.options import SelfTextOptions as Options
from selfsame.data.pairs import self_recognition_rows

__all__ = ["Options", "build"]


def build(options: Options, corpus: Corpus, rng: np.random.Generator) -> list[ChatRow]:
    """Each prompt has one label, drawn by a fair coin; the two orders of a pair are two prompts.

    The coin has a generator of its own: the pairs drawn stay those of `identify`.
    """
    (coins,) = rng.spawn(1)
    return self_recognition_rows(
        corpus, options.rows, rng, lambda _first, _second, _own: int(coins.integers(2))
    )
