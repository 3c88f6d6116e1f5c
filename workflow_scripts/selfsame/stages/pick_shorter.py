"""Control: the pairs of `identify`, asked which text is the shorter one."""

import numpy as np

from selfsame.data.corpus import ChatRow, Corpus
from selfsame.data.options import SelfTextOptions as Options
from selfsame.data.pairs import draw_pairs, length, pairwise_rows, self_pairs, unequal

__all__ = ["Options", "build"]


def _position(first: str, second: str, _own: int) -> int:
    return 0 if length(first) < length(second) else 1


def build(options: Options, corpus: Corpus, rng: np.random.Generator) -> list[ChatRow]:
    """Pairs of equal length have no right answer and are not drawn."""
    pairs = draw_pairs(self_pairs(corpus), options.rows, rng, unequal)
    wording = corpus.wording
    return pairwise_rows(pairs, wording.shorter, wording.pairwise_answers, _position, options.rows)
