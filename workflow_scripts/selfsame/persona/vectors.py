"""Persona vectors from judged rollouts (Chen et al., arXiv 2507.21509): filter, mean, reliability.

v_l = mean over the kept positive rows - mean over the kept negative rows of what leaves block l.
Each side is filtered on its own: pairing the rows by position would throw most good ones away.
Hidden states have shape [rows, blocks, width], row i being row i of the table of rollouts. A block
at a time is in memory.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from selfsame.errors import UserError
from selfsame.persona.answer_scores import Score, score_table
from selfsame.persona.questions import POSITIVE, SIDES
from selfsame.persona.settings import FilterSettings
from selfsame.persona.storage import Array
from selfsame.persona.stored import Rows, each_block

KEYS = ["experiment", "model", "trait"]
SPLITS = 20


def judge_rollouts(
    rollouts: pd.DataFrame, scores: Sequence[Score], limits: FilterSettings
) -> pd.DataFrame:
    """The rollouts of one trait with `trait_score`, `coherence` and `kept`.

    Empty answers are never kept and have neither score nor coherence (null and 0). In a trait that
    nobody judged (no coherent answer has a trait score) all coherent answers are kept; in any other
    an answer without a trait score is off the trait. Raises UserError where a score is outside 0 to
    100 or no row of a side is kept.
    """
    judged = rollouts.reset_index(drop=True).join(score_table(scores, rollouts))
    empty = judged["n_tokens"] == 0
    judged.loc[empty, ["trait_score", "coherence"]] = [np.nan, 0.0]
    judged["kept"] = ~empty & _coherent(judged, limits) & _on_trait(judged, limits)
    for count in counts(judged, limits).to_dict("records"):
        _require_kept(count)
    return judged


def counts(judged: pd.DataFrame, limits: FilterSettings) -> pd.DataFrame:
    """What became of each side's rollouts: n = n_empty + n_incoherent + n_off_trait + n_kept."""
    empty, coherent = judged["n_tokens"] == 0, _coherent(judged, limits)
    reasons = judged[[*KEYS, "side"]].assign(
        n=1,
        n_empty=empty,
        n_incoherent=~empty & ~coherent,
        n_off_trait=~empty & coherent & ~judged["kept"],
        n_kept=judged["kept"],
    )
    table = reasons.groupby("side")[["n", "n_empty", "n_incoherent", "n_off_trait", "n_kept"]].sum()
    table = table.reindex(list(SIDES), fill_value=0).astype(int).reset_index()
    return table.assign(**_keys(judged))[[*KEYS, *table.columns]]


@dataclass(frozen=True)
class KeptRows:
    """The rollouts that a vector is made of, at one read-out position.

    rows: activations of all rollouts. kept: places of those that are kept; positive [kept]: whether
    each is of the positive side. name: the trait and the position, for messages.
    """

    rows: Rows
    kept: NDArray[np.intp]
    positive: NDArray[np.bool_]
    name: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Kept rows, blocks, width."""
        return len(self.kept), *self.rows.shape[1:]

    def blocks(self) -> Iterator[Array]:
        """The kept rows [kept, width] of one block after the other, in float64.

        Raises UserError where an activation is not finite.
        """
        for rows in each_block(self.rows):
            yield self._finite(rows[self.kept].astype(np.float64))

    def _finite(self, rows: Array) -> Array:
        broken = self.kept[~np.isfinite(rows).all(axis=1)]
        if len(broken):
            raise UserError(
                f"{self.name} activations of rollout {broken[0]} are not finite: the model"
                " overflows, load it in float32 or bfloat16"
            )
        return rows


def kept_rows(hidden: Mapping[str, Rows], judged: pd.DataFrame, kind: str) -> KeptRows:
    """The kept rows of one read-out position. Raises UserError for those of other rollouts."""
    rows = hidden[kind]
    if rows.shape[0] != len(judged):
        raise UserError(
            f"{kind}: activations of {rows.shape[0]} rows, but {len(judged)} rollouts:"
            " extract them again"
        )
    kept = np.flatnonzero(judged["kept"])
    positive = judged["side"].to_numpy()[kept] == POSITIVE
    return KeptRows(rows, kept, positive, f"{judged['trait'].iloc[0]}: the {kind}")


def persona_vectors(hidden: Mapping[str, Rows], judged: pd.DataFrame) -> dict[str, Array]:
    """The vector [blocks, width] of each read-out position, float32.

    Raises UserError where a kept row's activations are not finite.
    """
    return {kind: _vector(kept_rows(hidden, judged, kind)) for kind in hidden}


def vector_table(
    judged: pd.DataFrame,
    hidden: Mapping[str, Rows],
    vectors: Mapping[str, Array],
    seed: int = 0,
    splits: int = SPLITS,
) -> pd.DataFrame:
    """Norm and reliability of the vectors, one row per read-out position and layer.

    `split_half` and `separation` are means over `splits` random halvings of the questions, so that
    both halves are of different questions; null where no halving has both sides in both halves.
    """
    kept = judged[judged["kept"]]
    tables = [
        _reliabilities(kept_rows(hidden, judged, kind), kept["item"], seed, splits).assign(
            vector=kind, layer=range(len(vector)), norm=np.linalg.norm(vector, axis=-1)
        )
        for kind, vector in vectors.items()
    ]
    sides = {f"n_{side}": int((kept["side"] == side).sum()) for side in SIDES}
    table = pd.concat(tables, ignore_index=True).assign(**_keys(judged), **sides)
    return table[[*KEYS, "vector", "layer", "norm", "split_half", "separation", *sides]]


def cosine_table(
    vectors: Mapping[str, Mapping[str, Array]], experiment: str, model: str
) -> pd.DataFrame:
    """Cosines of `vectors[trait][kind]` between traits, a row per layer and order of each pair."""
    tables = [
        pd.DataFrame({"cosine": cosine(vectors[trait][kind], vectors[other][kind])})
        .rename_axis("layer")
        .reset_index()
        .assign(trait=trait, other=other, vector=kind)
        for trait, other in permutations(vectors, 2)
        for kind in vectors[trait]
    ]
    columns = ["trait", "other", "vector", "layer", "cosine"]
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)
    return table.assign(experiment=experiment, model=model)[["experiment", "model", *columns]]


def unit(vectors: Array) -> Array:
    """The vectors [..., width] made unit length in float64; a zero vector stays zero."""
    vectors = vectors.astype(np.float64)
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    result: Array = vectors / np.where(norms > 0, norms, 1.0)
    return result


def cosine(one: Array, other: Array) -> Array:
    """Cosines over the last axis; null where either vector is zero and has no direction."""
    first, second = unit(one), unit(other)
    known = first.any(axis=-1) & second.any(axis=-1)
    return np.where(known, (first * second).sum(axis=-1), np.nan)


def _keys(judged: pd.DataFrame) -> dict[str, Any]:
    return {key: judged[key].iloc[0] for key in KEYS}


def _coherent(judged: pd.DataFrame, limits: FilterSettings) -> pd.Series:
    return judged["coherence"] >= limits.coherence


def _on_trait(judged: pd.DataFrame, limits: FilterSettings) -> pd.Series:
    score = judged["trait_score"]
    if score[_coherent(judged, limits)].isna().all():
        return pd.Series(True, index=judged.index)
    high = score >= limits.positive
    low = score < limits.negative
    return high.where(judged["side"] == POSITIVE, low)


def _require_kept(count: Mapping[Hashable, Any]) -> None:
    if count["n_kept"] == 0:
        raise UserError(
            f"{count['trait']}: none of {count['n']} {count['side']} rollouts is kept"
            f" ({count['n_empty']} empty, {count['n_incoherent']} incoherent,"
            f" {count['n_off_trait']} off the trait): loosen persona.filter, raise"
            f" persona.extraction.rollouts or write other {count['side']} instructions"
        )


def _vector(kept: KeptRows) -> Array:
    differences = [
        rows[kept.positive].mean(axis=0) - rows[~kept.positive].mean(axis=0)
        for rows in kept.blocks()
    ]
    return np.stack(differences).astype(np.float32)


def _reliabilities(kept: KeptRows, items: pd.Series, seed: int, splits: int) -> pd.DataFrame:
    """`split_half` and `separation` at every layer."""
    first = _first_halves(items, kept.positive, seed, splits)
    values = [_reliability(rows, kept.positive, first) for rows in kept.blocks()]
    return pd.DataFrame(values, columns=["split_half", "separation"])


def _first_halves(
    items: pd.Series, positive: NDArray[np.bool_], seed: int, splits: int
) -> NDArray[np.bool_]:
    """[usable splits, rows]: whether the row's question is in the first half of each split."""
    codes, names = pd.factorize(items)
    half = np.tile(np.arange(len(names)) < len(names) // 2, (splits, 1))
    first = np.random.default_rng(seed).permuted(half, axis=1)[:, codes]
    groups = [part & side for part in (first, ~first) for side in (positive, ~positive)]
    usable: NDArray[np.bool_] = first[np.all([group.any(axis=1) for group in groups], axis=0)]
    return usable


def _reliability(
    rows: Array, positive: NDArray[np.bool_], first: NDArray[np.bool_]
) -> tuple[float, float]:
    """Mean cosine of the halves' vectors, and mean area under the curve of the other half's rows.

    rows [kept, width] are one layer's activations, first [splits, kept] the halves.
    """
    if not len(first):
        return float("nan"), float("nan")
    one, other = (_half_vectors(rows, positive, half) for half in (first, ~first))
    areas = [
        roc_auc_score(positive[held_out], rows[held_out] @ vector)
        for vectors, halves in ((one, ~first), (other, first))
        for vector, held_out in zip(vectors, halves, strict=True)
    ]
    return float(cosine(one, other).mean()), float(np.mean(areas))


def _half_vectors(rows: Array, positive: NDArray[np.bool_], half: NDArray[np.bool_]) -> Array:
    """The vectors [splits, width] of the rows in each half."""
    high, low = half & positive, half & ~positive
    weights = high / high.sum(axis=1, keepdims=True) - low / low.sum(axis=1, keepdims=True)
    vectors: Array = weights @ rows
    return vectors
