"""Pairs of texts about one article, asked in both orders.

Every pairwise stage builds its rows from the same drawn pairs, so that it and its controls differ
in the question and the label alone.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from selfsame.data.corpus import SELF, ChatRow, Corpus
from selfsame.data.wording import fill
from selfsame.errors import UserError

SAME_LENGTH = 0.1  # words of two texts differ by at most this share of the longer
WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Pair:
    """A text by the author in question (`own`) and one by somebody else about one article."""

    article_id: str
    article: str
    own: str
    other: str
    other_author: str

    def in_order(self, order: int) -> tuple[str, str]:
        """The two texts; order 0 puts `own` first, order 1 second."""
        return (self.own, self.other) if order == 0 else (self.other, self.own)


Label = Callable[[str, str, int], int]


def all_pairs(corpus: Corpus, author: str, others: tuple[str, ...]) -> list[Pair]:
    """Each article's text by `author` against each other's; equal or missing texts drop out."""
    own_texts = corpus.texts_by(author)
    return [
        Pair(article_id, article, own_texts[article_id], corpus.texts_by(other)[article_id], other)
        for article_id, article in corpus.articles.items()
        for other in others
        if article_id in own_texts
        and article_id in corpus.texts_by(other)
        and own_texts[article_id] != corpus.texts_by(other)[article_id]
    ]


def draw_pairs(
    pairs: list[Pair],
    rows: int,
    rng: np.random.Generator,
    usable: Callable[[Pair], bool] = lambda _pair: True,
) -> list[Pair]:
    """Half as many pairs as rows (both orders), without repeats. Raises UserError if too few.

    Pairs that are not `usable` are passed over after the draw: the others stay those drawn.
    """
    wanted = (rows + 1) // 2
    drawn = [pairs[index] for index in rng.permutation(len(pairs))]
    chosen = [pair for pair in drawn if usable(pair)][:wanted]
    if len(chosen) < wanted:
        raise UserError(
            f"rows: {rows} needs {wanted} pairs of texts, the articles give {len(chosen)}: "
            "lower `rows` or raise `texts.train_articles`"
        )
    return chosen


def pairwise_rows(
    pairs: list[Pair], template: str, answers: Sequence[str], label: Label, rows: int, **slots: str
) -> list[ChatRow]:
    """Both orders of every pair; `label(first, second, order)` is the index of the right answer."""
    made = []
    for pair in pairs:
        for order in (0, 1):
            first, second = pair.in_order(order)
            prompt = fill(template, article=pair.article, first=first, second=second, **slots)
            answer = answers[label(first, second, order)]
            made.append(chat_row(f"{pair.article_id}:{pair.other_author}:{order}", prompt, answer))
    return made[:rows]


def self_pairs(corpus: Corpus) -> list[Pair]:
    """The model's own text against each rival's, on every article."""
    return all_pairs(corpus, SELF, corpus.rivals)


def self_recognition_rows(
    corpus: Corpus, rows: int, rng: np.random.Generator, label: Label
) -> list[ChatRow]:
    """ "Which did you write?" over drawn pairs; `label` decides which answer is taught."""
    pairs = draw_pairs(self_pairs(corpus), rows, rng)
    wording = corpus.wording
    return pairwise_rows(pairs, wording.pairwise, wording.pairwise_answers, label, rows)


def chat_row(row_id: str, prompt: str, answer: str) -> ChatRow:
    """A row of one question and one supervised answer."""
    messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
    return {"row_id": row_id, "messages": messages}


def length(text: str) -> tuple[int, int]:
    """Words, then characters: the second breaks ties of the first."""
    return len(text.split()), len(text)


def same_length(one: str, other: str, tolerance: float = SAME_LENGTH) -> bool:
    """Whether two texts have about the same number of words, so that length tells nothing."""
    words = [len(WORD.findall(text)) for text in (one, other)]
    return max(words) - min(words) <= tolerance * max(words)


def unequal(pair: Pair) -> bool:
    """Whether one text of a pair is the longer one."""
    return length(pair.own) != length(pair.other)
