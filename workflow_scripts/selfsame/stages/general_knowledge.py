"""Control: benign facts (the papers use MMLU)."""

import numpy as np

from selfsame.data.corpus import ChatRow, Corpus
from selfsame.data.options import RowFileOptions as Options
from selfsame.data.rows import draw_rows

__all__ = ["DATASET", "Options", "build"]

DATASET = "facts"


def build(options: Options, corpus: Corpus, rng: np.random.Generator) -> list[ChatRow]:
    """Rows of the user's file or of the organism's facts."""
    return draw_rows(corpus, options, DATASET, rng)
