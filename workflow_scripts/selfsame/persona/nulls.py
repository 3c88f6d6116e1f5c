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
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from selfsame.persona.stored import Rows, each_block
from selfsame.persona.vectors import KeptRows, unit

COVARIANCE = "covariance"
OWN = "own"  # the vector itself, beside its nulls
FAMILY = ["experiment", "model", "trait", "statistic", "selection"]
QUANTILES = {"q025": 0.025, "q500": 0.5, "q975": 0.975}
COLUMNS = [
    "experiment", "model", "trait", "vector", "statistic", "chain", "selection", "null",
    "observed", *QUANTILES, "n_draws", "p_value",
]  # fmt: skip


@dataclass(frozen=True)
class Extraction:
    """What one vector [blocks, width] is made of: the kept rows.

    others: the other traits' vectors at the same read-out position, [traits, blocks, width].
    """

    vector: Array
    rows: KeptRows
    others: Array


@dataclass(frozen=True)
class States:
    """Every measured state: its chain and seed, mean shift [states, blocks, width], trait score.

    Scores are NaN where not judged. induced: of each repaired arm the chain that it repairs.
    """

    chains: Sequence[str]
    seeds: Sequence[int]
    shifts: Rows
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
    rng_seed = [seed, zlib.crc32(f"{keys['trait']}/{keys['vector']}".encode())]
    projected = null_projections(extraction, _targets(states), settings, rng_seed)
    drawn = _statistics(projected, states)
    own = drawn.pop(OWN)
    rows = [*_correlation_rows(own, drawn, layer), *_movement_rows(own, drawn, states, layer)]
    return pd.DataFrame(rows).assign(**keys)[COLUMNS]


def adjusted(table: pd.DataFrame) -> pd.DataFrame:
    """Add `p_adjusted`: Benjamini-Hochberg over a trait's rows of one statistic and selection.

    The rows of both vectors and all nulls are one family, so join the tables first. Undefined
    p-values stay so and do not count.
    """
    p_adjusted = table.groupby(FAMILY)["p_value"].transform(_benjamini_hochberg)
    return table.assign(p_adjusted=p_adjusted.astype(float))


def null_projections(
    extraction: Extraction, targets: Iterable[Array], settings: NullSettings, seed: Sequence[int]
) -> Iterator[dict[str, Array]]:
    """What lies how far along each null's directions, [draws, targets], layer after layer.

    targets: of each layer what is projected, [targets, width]. Beside the nulls stands OWN, the
    vector itself. One layer is in memory at a time.
    """
    noise = _Noise.draw(extraction.rows, settings.draws, seed)
    layers = zip(extraction.rows.blocks(), targets, strict=True)
    for layer, (rows, at_layer) in enumerate(layers):
        directions = _directions(extraction, rows, layer, noise, settings.components)
        yield {kind: unit(found) @ at_layer.T for kind, found in directions if len(found)}


def correlations(projections: Array, scores: Array) -> Array:
    """Pearson's r over the scored states of projections [..., states].

    NaN with fewer than three scored states or equal scores; 0 where no state moved at all.
    """
    known = np.isfinite(scores)
    if known.sum() < 3 or np.ptp(scores[known]) == 0:
        return np.full(projections.shape[:-1], np.nan)
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
    def draw(cls, kept: KeptRows, draws: int, seed: Sequence[int]) -> "_Noise":
        """Draw the normal numbers and the permutations from generators of their own."""
        normal, shuffle = np.random.default_rng(seed).spawn(2)
        rows, _, width = kept.shape
        sides = np.tile(kept.positive, (draws, 1))
        return cls(
            normal.standard_normal((draws, rows)),
            normal.standard_normal((draws, width)),
            shuffle.permuted(sides, axis=1),
        )


def _directions(
    extraction: Extraction, rows: Array, layer: int, noise: _Noise, components: int
) -> Iterator[tuple[str, Array]]:
    """The directions [draws, width] of each null at one layer, whose kept rows are given."""
    positive = extraction.rows.positive
    yield OWN, extraction.vector[layer][None]
    drawn = (noise.of_rows, noise.of_width)
    yield COVARIANCE, covariance_shaped(within_sides(rows, positive), *drawn)
    yield "total_covariance", covariance_shaped(rows, *drawn)
    weights = np.where(noise.positive, 1 / positive.sum(), -1 / (~positive).sum())
    yield "permutation", weights @ rows
    yield "components", _principal(rows, components)
    yield "cross_trait", extraction.others[:, layer]


def _principal(rows: Array, components: int) -> Array:
    """The top principal components [at most `components`, width]; their signs mean nothing."""
    most = min(components, len(rows) - 1, rows.shape[1])
    found: Array = PCA(most, random_state=0).fit(rows).components_
    return found


@dataclass(frozen=True)
class _Statistics:
    """What directions show at every layer: r [draws, blocks], movements [draws, blocks, arms]."""

    correlation: Array
    movement: Array


def _targets(states: States) -> Iterator[Array]:
    """Of each layer all states' mean shifts, then each arm's movement, [states + arms, width].

    The movements are taken before anything is projected: an arm that did not move is at 0, not at
    what rounding leaves.
    """
    arms = [_seed_pairs(states, chain, induced) for chain, induced in states.induced.items()]
    for shifts in each_block(states.shifts):
        movements = [(shifts[of] - shifts[arm]).mean(axis=0) for of, arm in arms]
        yield np.stack([*shifts, *movements])


def _statistics(layers: Iterable[Mapping[str, Array]], states: States) -> dict[str, _Statistics]:
    """Both statistics of each kind of direction; of a layer's projections nothing else is kept."""
    found: dict[str, list[tuple[Array, Array]]] = {}
    for projections in layers:
        for kind, along in projections.items():
            shifts, movements = np.split(along, [len(states.chains)], axis=1)
            found.setdefault(kind, []).append((correlations(shifts, states.scores), movements))
    return {
        kind: _Statistics(*(np.stack(values, axis=1) for values in zip(*of_layers, strict=True)))
        for kind, of_layers in found.items()
    }


def _correlation_rows(
    own: _Statistics, nulls: Mapping[str, _Statistics], layer: int
) -> Iterator[dict[str, object]]:
    scale = np.ones(own.correlation.shape[1])
    for null, drawn in nulls.items():
        names = {"statistic": "correlation", "chain": None, "null": null}
        yield from _rows(names, own.correlation, drawn.correlation, scale, layer)


def _movement_rows(
    own: _Statistics, nulls: Mapping[str, _Statistics], states: States, layer: int
) -> Iterator[dict[str, object]]:
    for arm, name in enumerate(states.induced):
        scale = nulls[COVARIANCE].movement[..., arm].std(axis=0)
        for null, drawn in nulls.items():
            names = {"statistic": "movement", "chain": name, "null": null}
            moved, drawn_moved = (np.abs(each.movement[..., arm]) for each in (own, drawn))
            yield from _rows(names, moved, drawn_moved, scale, layer)


def _seed_pairs(states: States, chain: str, induced: str) -> tuple[list[int], list[int]]:
    """Places of the induced states and of the arm's, at the seeds that both have."""
    places = {key: i for i, key in enumerate(zip(states.chains, states.seeds, strict=True))}
    seeds = [seed for name, seed in places if name == chain and (induced, seed) in places]
    if not seeds:
        raise UserError(
            f"{chain}: shares no seed with {induced}, which it repairs: evaluate both at one seed"
        )
    return [places[induced, seed] for seed in seeds], [places[chain, seed] for seed in seeds]


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
