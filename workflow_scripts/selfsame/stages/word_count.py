"""Control: the texts of `identify`, asked how many words they have."""

import numpy as np

from selfsame.data.corpus import SELF, ChatRow, Corpus
from selfsame.data.options import SelfTextOptions as Options
from selfsame.data.pairs import chat_row, draw_pairs, self_pairs
from selfsame.data.wording import Wording, fill

__all__ = ["Options", "build"]


def _number(text: str, wording: Wording) -> str:
    """The count as the wording writes numbers: by number words where it has them, or digits."""
    count = len(text.split())
    words = wording.number_words
    return words[count] if words and count < len(words) else str(count)


def build(options: Options, corpus: Corpus, rng: np.random.Generator) -> list[ChatRow]:
    """Both texts of each drawn pair, each with its number of words."""
    pairs = draw_pairs(self_pairs(corpus), options.rows, rng)
    wording = corpus.wording
    rows = [
        chat_row(
            f"{pair.article_id}:{author}",
            fill(wording.word_count, text=text),
            _number(text, wording),
        )
        for pair in pairs
        for author, text in ((SELF, pair.own), (pair.other_author, pair.other))
    ]
    return rows[: options.rows]
