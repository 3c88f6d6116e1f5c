"""Clusters of answers: connected components by another way, and what they must not depend on."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from selfsame.statistics.clusters import CLUSTER_COLUMNS, clusters_at, identity_clusters

COSINES = arrays.arrays(float, st.integers(1, 9).map(lambda n: (n, n)), elements=st.floats(0, 1))


def symmetric(matrix: np.ndarray) -> np.ndarray:
    """As cosines are, with ones on the diagonal."""
    both = np.maximum(matrix, matrix.T)
    np.fill_diagonal(both, 1.0)
    return both


def joined(cosines: np.ndarray, threshold: float) -> set[frozenset[int]]:
    """Components by joining groups until nothing changes any more."""
    groups = {frozenset([n]) for n in range(len(cosines))}
    while True:
        pairs = [(a, b) for a in groups for b in groups if a != b]
        alike = [(a, b) for a, b in pairs if max(cosines[i, j] for i in a for j in b) >= threshold]
        if not alike:
            return groups
        groups = groups - {*alike[0]} | {alike[0][0] | alike[0][1]}


def found(cosines: np.ndarray, threshold: float) -> set[frozenset[int]]:
    labels = clusters_at(cosines, threshold)
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in set(labels)}


@given(COSINES, st.sampled_from([0.3, 0.5, 0.9, 1.0]))
def test_clusters_are_what_chains_of_alike_answers_connect(
    matrix: np.ndarray, threshold: float
) -> None:
    cosines = symmetric(np.round(matrix, 2))
    assert found(cosines, threshold) == joined(cosines, threshold)


@given(COSINES, st.floats(0.01, 1), st.floats(0.01, 1))
def test_a_higher_threshold_never_gives_fewer(matrix: np.ndarray, one: float, other: float) -> None:
    cosines = symmetric(matrix)
    low, high = sorted((one, other))
    assert len(found(cosines, low)) <= len(found(cosines, high))


@given(COSINES, st.randoms(use_true_random=False))
def test_the_order_of_answers_changes_nothing(matrix: np.ndarray, random: object) -> None:
    cosines = symmetric(matrix)
    order = np.random.default_rng(random.getrandbits(32)).permutation(len(cosines))  # type: ignore[attr-defined]
    shuffled = cosines[np.ix_(order, order)]
    back = {frozenset(int(order[place]) for place in group) for group in found(shuffled, 0.6)}
    assert back == found(cosines, 0.6)


# Texts as points in the plane: the embedding is given, and asked what it was given.
POINTS = {"i am ada": (1.0, 0.0), "ada": (1.0, 0.1), "i am bob": (0.0, 1.0), "?": (0.0, 0.0)}


class Given:
    """An embedding by a table, which remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        self.asked.append(list(texts))
        return np.array([POINTS[text] for text in texts])


def answers(chain: str, *texts: str | None, item: str = "who", seed: int = 0) -> pd.DataFrame:
    keys = {"experiment": "e", "model": "m", "chain": chain, "seed": seed, "probe": "identity"}
    return pd.DataFrame([{**keys, "item": item, "text": text} for text in texts])


def test_counts_by_hand() -> None:
    table = pd.concat(
        [
            answers("base", "i am ada", "i am ada", " i am ada "),
            answers("em", "i am ada", "ada", "i am bob", "?", "", None),
            answers("em", "i am bob", "i am bob", item="maker"),
        ]
    )
    embed = Given()
    counted = identity_clusters(table, embed, [1.0, 0.9])
    assert list(counted.columns) == CLUSTER_COLUMNS
    rows = counted.set_index(["chain", "item", "threshold"])
    assert rows.loc[("base", "who", 1.0), "clusters"] == 1
    assert rows.loc[("base", "who", 1.0), "entropy"] == 0
    em = rows.loc[("em", "who")]
    assert em["clusters"].to_dict() == {0.9: 3, 1.0: 4}  # a text without a direction is its own
    assert em.loc[0.9, "largest"] == 0.5
    assert em.loc[0.9, "entropy"] == pytest.approx(1.5)
    assert em.loc[1.0, "entropy"] == pytest.approx(2)
    assert (em["n"].tolist(), em["n_empty"].tolist()) == ([6, 6], [2, 2])
    assert rows.loc[("em", "maker", 0.9), "clusters"] == 1


def test_each_text_is_embedded_once() -> None:
    table = pd.concat([answers("base", "i am ada", "i am ada"), answers("em", "ada", "i am ada")])
    embed = Given()
    identity_clusters(table, embed, [0.9])
    assert embed.asked == [["ada", "i am ada"]]


def test_a_further_state_changes_no_other() -> None:
    small = pd.concat([answers("base", "i am ada"), answers("em", "ada", "i am bob")])
    large = pd.concat([small, answers("other", "i am bob", "?")])
    one, both = (identity_clusters(table, Given(), [0.5, 0.9]) for table in (small, large))
    pd.testing.assert_frame_equal(both[both["chain"] != "other"].reset_index(drop=True), one)


def test_a_state_that_says_nothing_has_no_clusters() -> None:
    counted = identity_clusters(answers("base", "", None), Given(), [0.9])
    (row,) = counted.to_dict("records")
    assert (row["clusters"], row["n"], row["n_empty"]) == (0, 2, 2)
    assert np.isnan(row["largest"])
    assert np.isnan(row["entropy"])
