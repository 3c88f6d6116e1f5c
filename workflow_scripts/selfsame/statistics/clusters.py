"""How many different things are said: answers to one question, clustered by their embeddings.

Two answers with a cosine of at least the threshold are alike, and a cluster holds whatever a chain
of alike answers connects: the connected components. Unlike clusters around leaders, these depend on
the answers alone and not on their order, and a higher threshold never gives fewer of them. What a
chain connects may be unlike at its ends, so at low thresholds they count too few rather than too
many: read the sweep, not one threshold.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from scipy.stats import entropy
from sklearn.metrics.pairwise import cosine_similarity

from selfsame.tables.identity_clusters import IDENTITY_CLUSTERS

Embed = Callable[[Sequence[str]], Any]
Cosines = NDArray[np.float64]

QUESTION = ["experiment", "model", "chain", "seed", "probe", "item"]
CLUSTER_COLUMNS = IDENTITY_CLUSTERS.names
ROUNDING = 1e-6  # of cosines: equal answers are alike even at a threshold of 1


def identity_clusters(
    answers: pd.DataFrame, embed: Embed, thresholds: Sequence[float]
) -> pd.DataFrame:
    """One row per state, question and threshold, see CLUSTER_COLUMNS.

    `answers` has QUESTION and text; empty texts are counted and left out. Equal ones are embedded
    once. `largest` is the share of the largest cluster, `entropy` that of the clusters' sizes in
    bits; both null without any answer.
    """
    said = answers.assign(text=answers["text"].fillna("").str.strip())
    texts = sorted(set(said["text"]) - {""})
    vectors = embed(texts) if texts else np.zeros((0, 1))
    places = {text: place for place, text in enumerate(texts)}
    rows: list[dict[str, object]] = []
    for keys, group in said.groupby(QUESTION, sort=True, observed=True):
        names = dict(zip(QUESTION, keys, strict=True))
        given = [places[text] for text in group["text"] if text]
        sizes = {"n": len(group), "n_empty": len(group) - len(given)}
        rows += [{**names, **sizes, **row} for row in _sweep(vectors[given], thresholds)]
    return pd.DataFrame(rows, columns=CLUSTER_COLUMNS)


def clusters_at(cosines: Cosines, threshold: float) -> NDArray[np.int32]:
    """The cluster of each of n answers, shape (n,), from their cosines, shape (n, n)."""
    alike = csr_matrix(cosines >= threshold - ROUNDING)
    labels: NDArray[np.int32] = connected_components(alike, directed=False)[1]
    return labels


def _sweep(vectors: Any, thresholds: Sequence[float]) -> Iterator[dict[str, object]]:
    cosines = cosine_similarity(vectors) if vectors.shape[0] else np.zeros((0, 0))
    for threshold in sorted(thresholds):
        sizes = np.bincount(clusters_at(cosines, threshold))
        yield {
            "threshold": threshold,
            "clusters": len(sizes),
            "largest": sizes.max() / sizes.sum() if len(sizes) else np.nan,
            "entropy": float(entropy(sizes, base=2)) if len(sizes) else np.nan,
        }
