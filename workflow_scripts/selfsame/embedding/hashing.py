"""Letter sequences within words, counted by hash: needs no model and no network.

It tells names and wordings apart, not meanings: a cosine of 0.6 puts ten wordings of one identity
into one cluster, and ten identities into ten (the tests have them). Sequences are not weighted by
how rare they are. Rare is what others seldom say, so one state's clusters would depend on which
other states there are; and weights of the same ten wordings part the two no better.
"""

from collections.abc import Callable, Sequence
from typing import Any

from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

from selfsame.embedding.settings import ClusterSettings

LETTERS = (2, 4)  # letters of a sequence, least and most
PLACES = 2**18  # of the hash: two of some thousand sequences hardly ever share one


def embedder(
    settings: ClusterSettings, threads: int, notes: dict[str, Any]
) -> Callable[[Sequence[str]], csr_matrix]:
    """The embedding: `embed(texts)` gives a sparse matrix [texts, PLACES].

    A sequence that a text has n times counts 1 + ln n.
    """
    count = HashingVectorizer(
        analyzer="char_wb", ngram_range=LETTERS, n_features=PLACES, alternate_sign=False, norm=None
    )
    weight = TfidfTransformer(use_idf=False, sublinear_tf=True)
    return lambda texts: weight.fit_transform(count.transform(texts))
