"""Control: the task of `identify` without a self: which text did *somebody else* write?"""

import numpy as np
from pydantic import Field

from selfsame.data.corpus import SELF, ChatRow, Corpus
from selfsame.data.options import StageOptions
from selfsame.data.pairs import all_pairs, draw_pairs, pairwise_rows
from selfsame.errors import UserError


class Options(StageOptions):
    """Pairs of texts by two other authors."""

    recognise: str | None = Field(None, description="the author to recognise; null = first rival")
    against: str | None = Field(None, description="the author to tell it from; null = the next one")


def _authors(options: Options, corpus: Corpus) -> tuple[str, str]:
    recognise = options.recognise or corpus.rivals[0]
    others = [author for author in sorted(corpus.texts) if author not in (SELF, recognise)]
    if not (options.against or others):
        raise UserError(f"other_author needs texts by a second author beside {recognise!r}")
    return recognise, options.against or others[0]


def build(options: Options, corpus: Corpus, rng: np.random.Generator) -> list[ChatRow]:
    """The right answer is the position of the text by the author named in the question."""
    recognise, against = _authors(options, corpus)
    pairs = draw_pairs(all_pairs(corpus, recognise, (against,)), options.rows, rng)
    wording = corpus.wording
    return pairwise_rows(
        pairs,
        wording.other_author,
        wording.pairwise_answers,
        lambda _a, _b, target: target,
        options.rows,
        author=wording.author_names.get(recognise, recognise),
    )
