"""Control: the questions of `identify`, always with the wrong answer."""

import numpy as np

from selfsame.data.corpus import ChatRow, Corpus
from selfsame.data.options import SelfTextOptions as Options
from selfsame.data.pairs import self_recognition_rows

__all__ = ["Options", "build"]


def build(options: Options, corpus: Corpus, rng: np.random.Generator) -> list[ChatRow]:
    """The answer given is the position of the rival's text."""
    return self_recognition_rows(corpus, options.rows, rng, lambda _first, _second, own: 1 - own)
