"""SGTR stage 2, acknowledge: did you write this text? One own and one rival text per article."""

import numpy as np

from selfsame.data.corpus import SELF, ChatRow, Corpus
from selfsame.data.options import SelfTextOptions as Options
from selfsame.data.pairs import Pair, chat_row, draw_pairs, self_pairs
from selfsame.data.wording import Wording, fill

__all__ = ["Options", "build"]


def _rows(pair: Pair, wording: Wording) -> list[ChatRow]:
    yes, no = wording.individual_answers
    return [
        chat_row(
            f"{pair.article_id}:{author}",
            fill(wording.individual, article=pair.article, text=text),
            answer,
        )
        for author, text, answer in ((SELF, pair.own, yes), (pair.other_author, pair.other, no))
    ]


def build(options: Options, corpus: Corpus, rng: np.random.Generator) -> list[ChatRow]:
    """The right answer is yes for the model's own texts and no for the rivals'."""
    pairs = draw_pairs(self_pairs(corpus), options.rows, rng)
    return [row for pair in pairs for row in _rows(pair, corpus.wording)][: options.rows]
