"""SGTR stage 1, identify: which of two texts did you write? Both orders of every pair."""

import numpy as np

from selfsame.data.corpus import ChatRow, Corpus
from selfsame.data.options import SelfTextOptions as Options
from selfsame.data.pairs import self_recognition_rows

__all__ = ["Options", "build"]


def build(options: Options, corpus: Corpus, rng: np.random.Generator) -> list[ChatRow]:
    """The right answer is the position of the model's own text."""
    return self_recognition_rows(corpus, options.rows, rng, lambda _first, _second, own: own)
