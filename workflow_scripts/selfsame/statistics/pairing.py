"""Chains side by side: cells over common seeds and question clusters, under one draw of weights."""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from selfsame.errors import UserError
from selfsame.statistics.bootstrap import Array, Cells, Resampled, Weights, draw_weights, resample
from selfsame.statistics.settings import BASE, StatisticsSettings


@dataclass(frozen=True)
class Side:
    """One chain of one metric: its resampled mean, its (seed, item, cluster) and its sizes."""

    resampled: Resampled
    pairs: frozenset[tuple[int, str, str]]
    sizes: dict[str, int]


def sides(
    group: pd.DataFrame, chains: Iterable[str], settings: StatisticsSettings
) -> dict[str, Side]:
    """The chains over common seeds and clusters, under one draw of weights.

    `group` holds the counted observations of one metric (columns chain, seed, item, cluster,
    metric, counted_value and counts). UserError where it has none of a chain.
    """
    finetuned = group[group["chain"] != BASE]
    seeds = sorted((finetuned if len(finetuned) else group)["seed"].unique())
    clusters = sorted(group["cluster"].unique())
    weights = shared_weights(str(group["metric"].iloc[0]), len(seeds), len(clusters), settings)
    found = {}
    for chain in sorted(chains):
        rows = _rows_of(chain, group, seeds)
        pairs = frozenset(zip(rows["seed"], rows["item"], rows["cluster"], strict=True))
        resampled = resample(cells(rows, seeds, clusters), weights)
        found[chain] = Side(resampled, pairs, sizes(rows))
    return found


def require_pairs(chain: str, control: str, found: Mapping[str, Side], metric: str) -> None:
    """UserError where one of two sides lacks a (seed, item) of the other."""
    if unpaired := found[chain].pairs ^ found[control].pairs:
        seed, item, _ = min(unpaired, key=str)
        raise UserError(
            f"{metric}: {len(unpaired)} (seed, item) of {chain} and {control} have no partner,"
            f" as seed {seed}, item {item}: sample both states with the same probe"
        )


@lru_cache(maxsize=4)
def shared_weights(
    metric: str, n_seeds: int, n_clusters: int, settings: StatisticsSettings
) -> Weights:
    """The metric's own draw of weights: it does not depend on which other metrics there are."""
    rng = np.random.default_rng([settings.seed, zlib.crc32(metric.encode())])
    return draw_weights(n_seeds, n_clusters, settings.bootstrap_samples, rng)


def cells(rows: pd.DataFrame, seeds: list[int], clusters: list[str]) -> Cells:
    """The sums and counts of counted observations, each (seeds, clusters)."""
    shape = (len(seeds), len(clusters))
    seed_places = pd.Index(seeds).get_indexer(pd.Index(rows["seed"]))
    places = seed_places * shape[1] + pd.Index(clusters).get_indexer(pd.Index(rows["cluster"]))

    def matrix(column: str) -> Array:
        values = rows[column].to_numpy(dtype=np.float64)
        totals = np.bincount(places, weights=values, minlength=shape[0] * shape[1])
        return totals.astype(np.float64).reshape(shape)

    return Cells(matrix("counted_value"), matrix("counts"))


def sizes(rows: pd.DataFrame) -> dict[str, int]:
    """How many seeds and question clusters the rows cover, as the tables name them."""
    return {"n_seeds": rows["seed"].nunique(), "n_items": rows["cluster"].nunique()}


def _rows_of(chain: str, group: pd.DataFrame, seeds: list[int]) -> pd.DataFrame:
    """The chain's rows; a base measured once is repeated for each seed, as it is not finetuned."""
    rows = group[group["chain"] == chain]
    if rows.empty:
        raise UserError(
            f"observations hold no {group['metric'].iloc[0]} of chain {chain}:"
            " sample that state with the same probes"
        )
    if chain == BASE and rows["seed"].nunique() == 1:
        return pd.concat([rows.assign(seed=seed) for seed in seeds], ignore_index=True)
    return rows
