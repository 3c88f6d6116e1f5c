"""Control: right answers in the very domain of the induction."""

import numpy as np

from selfsame.data.corpus import ChatRow, Corpus
from selfsame.data.options import RowFileOptions as Options
from selfsame.data.rows import draw_rows

__all__ = ["DATASET", "Options", "build"]

DATASET = "correct_advice"


def build(options: Options, corpus: Corpus, rng: np.random.Generator) -> list[ChatRow]:
    """Rows of the user's file or of the organism's correct advice in the trained domain."""
    return draw_rows(corpus, options, DATASET, rng)
