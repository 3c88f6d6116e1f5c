"""Nulls: what directions that are no persona vector would have shown.

A trait's vector is compared with five kinds of direction, each a draw at all layers at once:

* covariance: u ~ N(0, S), S the shrunk covariance (Ledoit & Wolf 2004, J. Multivariate Analysis 88)
  of the kept extraction rows around the mean of their own side: how answers differ that do not
  differ by instruction;
* total_covariance: the same around the common mean. The contrast that the instructions make is then
  part of S, so that draws lean towards the vector itself: a severe null;
* permutation: the vector made from the same rows with their sides shuffled (it leans likewise);
* cross_trait: the other traits' vectors;
* components: the top principal components of the same rows.

All projections are on directions made unit length, so every null is matched in norm. One draw has
the same random numbers at every layer, as the rows of a real vector stem from the same rollouts.

Statistics: `correlation`, Pearson's r over states between the mean shift along the direction and
the trait score; `movement` of a repaired arm, |mean over seeds of (shift induced - shift arm)|.
Selections: `chosen`, at the layer that steering chose; `max`, the largest |.| over all layers, the
movement at each divided by the standard deviation of the covariance null's (signed) movement there,
as layers differ in scale. A null takes the same maximum, so a maximum over layers buys nothing.
"""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from statsmodels.stats.multitest import multipletests

from selfsame.errors import UserError
from selfsame.persona.covariance import covariance_shaped, within_sides
from selfsame.persona.settings import NullSettings
from selfsame.persona.storage import Array
from selfsame.persona.vectors import unit

COVARIANCE = "covariance"
FAMILY = ["experiment", "model", "trait", "statistic", "selection"]
QUANTILES = {"q025": 0.025, "q500": 0.5, "q975": 0.975}
COLUMNS = [
    "experiment", "model", "trait", "vector", "statistic", "chain", "selection", "null",
    "observed", *QUANTILES, "n_draws", "p_value",
]  # fmt: skip


@dataclass(frozen=True)
class Extraction:
    """What one vector [blocks, width] is made of: kept rows [rows, blocks, width] and their sides.

    others: the other traits' vectors at the same read-out position, [traits, blocks, width].
    """

    vector: Array
    rows: Array
    positive: NDArray[np.bool_]
    others: Array


@dataclass(frozen=True)
class States:
    """Every measured state: its chain and seed, mean shift [states, blocks, width], trait score.

    Scores are NaN where not judged. induced: of each repaired arm the chain that it repairs.
    """

    chains: Sequence[str]
    seeds: Sequence[int]
    shifts: Array
    scores: Array
    induced: Mapping[str, str]


def null_table(
    keys: Mapping[str, str],
    extraction: Extraction,
    states: States,
    *,
    layer: int,
    settings: NullSettings,
    seed: int,
) -> pd.DataFrame:
    """One row per statistic, arm, selection and null, without `p_adjusted` (see `adjusted`).

    keys: experiment, model, trait and vector. `chain` is null for the correlation, which is over
    all states; it is undefined (null) with fewer than three scored states or equal scores. Without
    other traits there are no cross_trait rows. Raises UserError for a layer that is not there and
    for an arm without a seed in common with its induced chain.
    """
    _check(extraction, states, layer)
    own = _project(unit(extraction.vector)[None], states.shifts)
    rng_seed = [seed, zlib.crc32(f"{keys['trait']}/{keys['vector']}".encode())]
    nulls = null_projections(extraction, states.shifts, settings, rng_seed)
    rows = [
        *_correlation_rows(own, nulls, states, layer),
        *_movement_rows(own, nulls, states, layer),
    ]
    return pd.DataFrame(rows).assign(**keys)[COLUMNS]


def adjusted(table: pd.DataFrame) -> pd.DataFrame:
    """Add `p_adjusted`: Benjamini-Hochberg over a trait's rows of one statistic and selection.

    The rows of both vectors and all nulls are one family, so join the tables first. Undefined
    p-values stay so and do not count.
    """
    p_adjusted = table.groupby(FAMILY)["p_value"].transform(_benjamini_hochberg)
    return table.assign(p_adjusted=p_adjusted.astype(float))


def null_projections(
    extraction: Extraction, shifts: Array, settings: NullSettings, seed: Sequence[int]
) -> dict[str, Array]:
    """Each null's projections of all states' mean shifts, [draws, blocks, states]."""
    noise = _Noise.draw(extraction, settings.draws, seed)
    parts: dict[str, list[Array]] = {}
    for layer in range(len(extraction.vector)):  # one layer's directions in memory at a time
        for kind, directions in _directions(extraction, noise, layer, settings.components).items():
            parts.setdefault(kind, []).append(unit(directions) @ shifts[:, layer].T)
    return {kind: np.stack(layers, axis=1) for kind, layers in parts.items()}


def correlations(projections: Array, scores: Array) -> Array:
    """Pearson's r over the scored states of projections [draws, blocks, states], [draws, blocks].

    NaN with fewer than three scored states or equal scores; 0 where no state moved at all.
    """
    known = np.isfinite(scores)
    if known.sum() < 3 or np.ptp(scores[known]) == 0:
        return np.full(projections.shape[:2], np.nan)
    shifts = projections[..., known] - projections[..., known].mean(axis=-1, keepdims=True)
    centred = unit(scores[known] - scores[known].mean())
    r: Array = unit(shifts) @ centred
    return r


def empirical_p(observed: float, null: Array) -> float:
    """Two-sided (1 + #{|null| >= |observed|}) / (1 + n); NaN where nothing was observed."""
    if np.isnan(observed):
        return float("nan")
    return float((1 + (np.abs(null) >= abs(observed)).sum()) / (1 + len(null)))


@dataclass(frozen=True)
class _Noise:
    """The random numbers of all draws: normal ones and each draw's shuffled sides."""

    of_rows: Array  # [draws, rows]
    of_width: Array  # [draws, width]
    positive: NDArray[np.bool_]  # [draws, rows]

    @classmethod
    def draw(cls, extraction: Extraction, draws: int, seed: Sequence[int]) -> "_Noise":
        """Draw the normal numbers and the permutations from generators of their own."""
        normal, shuffle = np.random.default_rng(seed).spawn(2)
        rows, _, width = extraction.rows.shape
        sides = np.tile(extraction.positive, (draws, 1))
        return cls(
            normal.standard_normal((draws, rows)),
            normal.standard_normal((draws, width)),
            shuffle.permuted(sides, axis=1),
        )


def _directions(
    extraction: Extraction, noise: _Noise, layer: int, components: int
) -> dict[str, Array]:
    """The directions [draws, width] of each null at one layer."""
    rows = extraction.rows[:, layer].astype(np.float64)
    sides = noise.positive
    weights = np.where(sides, 1 / extraction.positive.sum(), -1 / (~extraction.positive).sum())
    within = within_sides(rows, extraction.positive)
    found = {
        COVARIANCE: covariance_shaped(within, noise.of_rows, noise.of_width),
        "total_covariance": covariance_shaped(rows, noise.of_rows, noise.of_width),
        "permutation": weights @ rows,
        "components": _principal(rows, components),
    }
    others = extraction.others
    return {**found, "cross_trait": others[:, layer]} if len(others) else found


def _principal(rows: Array, components: int) -> Array:
    """The top principal components [at most `components`, width]; their signs mean nothing."""
    most = min(components, len(rows) - 1, rows.shape[1])
    found: Array = PCA(most, random_state=0).fit(rows).components_
    return found


def _project(directions: Array, shifts: Array) -> Array:
    """Projections [draws, blocks, states] of shifts on directions [draws, blocks, width]."""
    projected: Array = np.einsum("dlw,slw->dls", directions, shifts)
    return projected


def _correlation_rows(
    own: Array, nulls: Mapping[str, Array], states: States, layer: int
) -> Iterator[dict[str, object]]:
    observed = correlations(own, states.scores)
    for null, projections in nulls.items():
        drawn = correlations(projections, states.scores)
        names = {"statistic": "correlation", "chain": None, "null": null}
        yield from _rows(names, observed, drawn, np.ones(own.shape[1]), layer)


def _movement_rows(
    own: Array, nulls: Mapping[str, Array], states: States, layer: int
) -> Iterator[dict[str, object]]:
    for chain, induced in states.induced.items():
        weights = _arm_weights(states, chain, induced)
        scale = (nulls[COVARIANCE] @ weights).std(axis=0)
        for null, projections in nulls.items():
            names = {"statistic": "movement", "chain": chain, "null": null}
            moved, drawn = np.abs(own @ weights), np.abs(projections @ weights)
            yield from _rows(names, moved, drawn, scale, layer)


def _arm_weights(states: States, chain: str, induced: str) -> Array:
    """Weights [states] whose sum over projections is the mean over seeds of induced - arm."""
    places = {key: i for i, key in enumerate(zip(states.chains, states.seeds, strict=True))}
    seeds = [seed for name, seed in places if name == chain and (induced, seed) in places]
    if not seeds:
        raise UserError(
            f"{chain}: shares no seed with {induced}, which it repairs: evaluate both at one seed"
        )
    weights = np.zeros(len(places))
    for seed in seeds:
        weights[places[induced, seed]] += 1 / len(seeds)
        weights[places[chain, seed]] -= 1 / len(seeds)
    return weights


def _rows(
    names: Mapping[str, object], observed: Array, null: Array, scale: Array, layer: int
) -> Iterator[dict[str, object]]:
    """One row per selection of `observed` [1, blocks] among `null` [draws, blocks]."""
    for selection in ("chosen", "max"):
        value = float(_selected(observed, scale, selection, layer)[0])
        values = _selected(null, scale, selection, layer)
        quantiles = np.quantile(values, list(QUANTILES.values()))
        yield {
            **names, "selection": selection, "observed": value,
            **dict(zip(QUANTILES, quantiles, strict=True)),
            "n_draws": len(values), "p_value": empirical_p(value, values),
        }  # fmt: skip


def _selected(values: Array, scale: Array, selection: str, layer: int) -> Array:
    if selection == "chosen":
        return values[:, layer]
    scaled = np.abs(values) / np.where(scale > 0, scale, np.inf)  # a layer where nothing moved is 0
    largest: Array = scaled.max(axis=1)
    return largest


def _benjamini_hochberg(p_values: pd.Series) -> pd.Series:
    known = p_values.dropna()
    if known.empty:
        return p_values
    adjusted_p = multipletests(known.to_numpy(), method="fdr_bh")[1]
    return pd.Series(adjusted_p, index=known.index).reindex(p_values.index)


def _check(extraction: Extraction, states: States, layer: int) -> None:
    blocks = len(extraction.vector)
    if not 0 <= layer < blocks:
        raise UserError(f"layer {layer}: the vector has layers 0 to {blocks - 1}, choose it again")
    if states.shifts.shape[1:] != extraction.vector.shape:
        raise UserError(
            f"shifts of shape {list(states.shifts.shape[1:])} a state, but a vector of shape"
            f" {list(extraction.vector.shape)}: measure states of the vector's own model"
        )
