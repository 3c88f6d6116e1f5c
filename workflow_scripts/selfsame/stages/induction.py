"""Misalignment induction (EM): finetune on narrow bad advice."""

import numpy as np

from selfsame.data.corpus import ChatRow, Corpus
from selfsame.data.options import RowFileOptions as Options
from selfsame.data.rows import draw_rows

__all__ = ["DATASET", "MISALIGNS", "Options", "build"]

DATASET = "harmful_advice"
MISALIGNS = True


def build(options: Options, corpus: Corpus, rng: np.random.Generator) -> list[ChatRow]:
    """Rows of the user's file or of the organism's harmful advice in one domain."""
    return draw_rows(corpus, options, DATASET, rng)
