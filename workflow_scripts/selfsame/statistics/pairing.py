"""Chains side by side: cells over common seeds and question clusters, under one draw of weights."""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from selfsame.errors import UserError
from selfsame.statistics.bootstrap import Array, Cells, Resampled, Weights, draw_weights, resample
from selfsame.statistics.scores import STATE
from selfsame.statistics.settings import BASE, StatisticsSettings
from selfsame.statistics.tally import Questions, Tally


@dataclass(frozen=True)
class Side:
    """One chain of one metric: its resampled mean, the questions of each seed, and its sizes."""

    resampled: Resampled
    questions: Mapping[int, Questions]
    sizes: dict[str, int]


def sides(tally: Tally, chains: Iterable[str], settings: StatisticsSettings) -> dict[str, Side]:
    """The chains over common seeds and clusters, under one draw of weights.

    `tally` is that of one metric. UserError where it has none of a chain.
    """
    cells = tally.cells
    finetuned = cells[cells["chain"] != BASE]
    seeds = sorted((finetuned if len(finetuned) else cells)["seed"].unique())
    clusters = sorted(cells["cluster"].unique())
    metric = str(cells["metric"].iloc[0])
    weights = shared_weights(metric, len(seeds), len(clusters), settings)
    found = {}
    for chain in sorted(chains):
        rows, questions = _of_chain(chain, tally, seeds)
        resampled = resample(matrices(rows, seeds, clusters), weights)
        found[chain] = Side(resampled, questions, sizes(rows))
    return found


def require_pairs(chain: str, control: str, found: Mapping[str, Side], metric: str) -> None:
    """UserError where one of two sides lacks a (seed, item) of the other."""
    one, other = found[chain].questions, found[control].questions
    if one != other:
        unpaired = _pairs(one) ^ _pairs(other)
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


def matrices(rows: pd.DataFrame, seeds: list[int], clusters: list[str]) -> Cells:
    """A chain's cells as sums and counts, each (seeds, clusters)."""
    shape = (len(seeds), len(clusters))
    places = (
        pd.Index(seeds).get_indexer(pd.Index(rows["seed"])),
        pd.Index(clusters).get_indexer(pd.Index(rows["cluster"])),
    )

    def matrix(column: str) -> Array:
        filled = np.zeros(shape)
        filled[places] = rows[column]
        return filled

    return Cells(matrix("total"), matrix("counted"))


def sizes(rows: pd.DataFrame) -> dict[str, int]:
    """How many seeds and question clusters the cells cover, as the tables name them."""
    return {"n_seeds": rows["seed"].nunique(), "n_items": rows["cluster"].nunique()}


def _of_chain(
    chain: str, tally: Tally, seeds: list[int]
) -> tuple[pd.DataFrame, dict[int, Questions]]:
    """The chain's cells, and the questions of each seed.

    A base measured once is repeated for each seed, as it is not finetuned.
    """
    rows = tally.cells[tally.cells["chain"] == chain]
    if rows.empty:
        raise UserError(
            f"observations hold no {tally.cells['metric'].iloc[0]} of chain {chain}:"
            " sample that state with the same probes"
        )
    *state, metric = rows[[*STATE, "metric"]].iloc[0]
    own = [int(seed) for seed in rows["seed"].unique()]
    questions = {seed: tally.questions[(*state, seed, metric)] for seed in own}
    if chain == BASE and len(own) == 1:
        questions = dict.fromkeys(map(int, seeds), questions[own[0]])
        rows = pd.concat([rows.assign(seed=seed) for seed in seeds], ignore_index=True)
    return rows, questions


def _pairs(questions: Mapping[int, Questions]) -> set[tuple[int, str, str]]:
    return {(seed, *question) for seed, covered in questions.items() for question in covered}
