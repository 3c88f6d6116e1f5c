"""Effects: each chain against its parent, the base and its matched controls; and pooled levels.

An effect is the chain's pooled mean minus the control's, over the same seeds and the same
questions, with the two-way clustered interval of bootstrap.py. Every chain of one metric shares one
draw of weights, so contrasts are paired, and the draw of one metric does not depend on which other
metrics there are.

Family of the correction: all contrasts of one kind (parent, base or matched_control) on one metric
within one experiment and model. The primary metric is the confirmatory one; the rest are
exploratory.
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests

from selfsame.errors import UserError
from selfsame.statistics.bootstrap import (
    Array,
    Cells,
    Estimate,
    Resampled,
    Weights,
    draw_weights,
    estimate_difference,
    estimate_mean,
    resample,
)
from selfsame.statistics.scores import STATE, counted_observations
from selfsame.statistics.settings import BASE, Arm, StatisticsSettings

CONTRASTS = ("parent", "base", "matched_control")
EFFECT_COLUMNS = [
    *STATE, "control", "contrast", "metric", "estimate", "ci_low", "ci_high",
    "p_value", "p_adjusted", "n_seeds", "n_items",
]  # fmt: skip
SUMMARY_COLUMNS = [
    *STATE, "metric", "value", "ci_low", "ci_high", "n", "n_invalid", "n_seeds", "n_items",
]  # fmt: skip
_FAMILY = ["experiment", "model", "metric", "contrast"]
# The surface classifier reads texts, not states: there is nothing to contrast between chains.
_OF_TEXTS = ("surface", "length", "surface_length_matched")


def effects(
    observations: pd.DataFrame, arms: Mapping[str, Arm], settings: StatisticsSettings
) -> pd.DataFrame:
    """One row per experiment, model, chain, control, contrast and metric, see EFFECT_COLUMNS.

    `arms` says of each chain what its parent and its matched controls are. A chain of one stage,
    whose parent is the base, is compared with it once, as `base`. With one seed the interval is
    over questions alone (n_seeds = 1). Chains that are not keys of `arms` are not measured, hence
    not compared with. A metric that no chain has a valid answer of is left out; estimates are null
    where one side has none; where the two sides do not cover the same seeds and questions,
    UserError.
    """
    counted = counted_observations(observations)
    counted = counted[~counted["metric"].str.rsplit(".", n=1).str[-1].isin(_OF_TEXTS)]
    counted = counted[counted["metric"].isin(counted.loc[counted["valid"], "metric"])]
    rows: list[dict[str, object]] = []
    for keys, group in counted.groupby(["experiment", "model", "metric"], sort=True, observed=True):
        names = dict(zip(("experiment", "model", "metric"), keys, strict=True))
        rows += [{**names, **row} for row in _metric_effects(group, arms, settings)]
    return _adjusted(pd.DataFrame(rows, columns=EFFECT_COLUMNS), settings.correction)


def summary(observations: pd.DataFrame, settings: StatisticsSettings) -> pd.DataFrame:
    """The pooled mean of every chain and metric with its interval, see SUMMARY_COLUMNS."""
    counted = counted_observations(observations)
    rows = []
    # By metric first: chains of one metric are resampled with the same weights, drawn once.
    for keys, group in counted.groupby(["metric", *STATE], sort=True, observed=True):
        values = _level(group, settings)
        rows.append(dict(zip(["metric", *STATE], keys, strict=True)) | values)
    table = pd.DataFrame(rows, columns=SUMMARY_COLUMNS)
    return table.sort_values([*STATE, "metric"], ignore_index=True)


def contrasts(arms: Mapping[str, Arm]) -> Iterator[tuple[str, str, str]]:
    """Every (chain, control, contrast) of chains that are both arms, in the arms' order."""
    for chain, arm in arms.items():
        if arm.parent != BASE and arm.parent in arms:
            yield chain, str(arm.parent), "parent"
        if chain != BASE and BASE in arms:
            yield chain, BASE, "base"
        for control in arm.controls:
            if control in arms:
                yield chain, control, "matched_control"


@dataclass(frozen=True)
class _Side:
    """One chain of one metric: its resampled mean, its (seed, item, cluster) and its sizes."""

    resampled: Resampled
    pairs: frozenset[tuple[int, str, str]]
    sizes: dict[str, int]


def _metric_effects(
    group: pd.DataFrame, arms: Mapping[str, Arm], settings: StatisticsSettings
) -> Iterator[dict[str, object]]:
    wanted = list(contrasts(arms))
    sides = _sides(group, {chain for pair in wanted for chain in pair[:2]}, settings)
    for chain, control, contrast in wanted:
        _require_pairs(chain, control, sides, str(group["metric"].iloc[0]))
        one, other = sides[chain].resampled, sides[control].resampled
        result = estimate_difference(one, other, settings.confidence)
        yield {
            "chain": chain, "control": control, "contrast": contrast, "estimate": result.value,
            **_interval(result), "p_value": result.p_value, **sides[chain].sizes,
        }  # fmt: skip


def _sides(
    group: pd.DataFrame, chains: Iterable[str], settings: StatisticsSettings
) -> dict[str, _Side]:
    """The chains over common seeds and clusters, under one draw of weights."""
    finetuned = group[group["chain"] != BASE]
    seeds = sorted((finetuned if len(finetuned) else group)["seed"].unique())
    clusters = sorted(group["cluster"].unique())
    metric = str(group["metric"].iloc[0])
    weights = _weights(metric, len(seeds), len(clusters), settings)
    sides = {}
    for chain in sorted(chains):
        rows = _rows_of(chain, group, seeds)
        cells = _cells(rows, seeds, clusters)
        pairs = frozenset(zip(rows["seed"], rows["item"], rows["cluster"], strict=True))
        sides[chain] = _Side(resample(cells, weights), pairs, _sizes(rows))
    return sides


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


@lru_cache(maxsize=4)
def _weights(metric: str, n_seeds: int, n_clusters: int, settings: StatisticsSettings) -> Weights:
    rng = np.random.default_rng([settings.seed, zlib.crc32(metric.encode())])
    return draw_weights(n_seeds, n_clusters, settings.bootstrap_samples, rng)


def _cells(rows: pd.DataFrame, seeds: list[int], clusters: list[str]) -> Cells:
    shape = (len(seeds), len(clusters))
    seed_places = pd.Index(seeds).get_indexer(pd.Index(rows["seed"]))
    places = seed_places * shape[1] + pd.Index(clusters).get_indexer(pd.Index(rows["cluster"]))

    def matrix(column: str) -> Array:
        values = rows[column].to_numpy(dtype=np.float64)
        totals = np.bincount(places, weights=values, minlength=shape[0] * shape[1])
        return totals.astype(np.float64).reshape(shape)

    return Cells(matrix("counted_value"), matrix("counts"))


def _require_pairs(chain: str, control: str, sides: Mapping[str, _Side], metric: str) -> None:
    if unpaired := sides[chain].pairs ^ sides[control].pairs:
        seed, item, _ = min(unpaired, key=str)
        raise UserError(
            f"{metric}: {len(unpaired)} (seed, item) of {chain} and {control} have no partner,"
            f" as seed {seed}, item {item}: sample both states with the same probe"
        )


def _level(rows: pd.DataFrame, settings: StatisticsSettings) -> dict[str, object]:
    # Only this chain's own seeds and clusters: levels stand alone and need no partner.
    seeds, clusters = sorted(rows["seed"].unique()), sorted(rows["cluster"].unique())
    weights = _weights(str(rows["metric"].iloc[0]), len(seeds), len(clusters), settings)
    chain = resample(_cells(rows, seeds, clusters), weights)
    result = estimate_mean(chain, settings.confidence)
    counts = {"n": len(rows), "n_invalid": int((~rows["valid"]).sum())}
    return {"value": result.value, **_interval(result), **counts, **_sizes(rows)}


def _interval(result: Estimate) -> dict[str, float]:
    return {"ci_low": result.low, "ci_high": result.high}


def _sizes(rows: pd.DataFrame) -> dict[str, int]:
    return {"n_seeds": rows["seed"].nunique(), "n_items": rows["cluster"].nunique()}


def _adjusted(table: pd.DataFrame, correction: str) -> pd.DataFrame:
    """Fill `p_adjusted` within each family; an undefined p-value stays so and does not count."""
    for _, family in table.groupby(_FAMILY, sort=False, observed=True):
        known = family.index[family["p_value"].notna()]
        if len(known):
            p_values = table.loc[known, "p_value"].to_numpy(dtype=float)
            table.loc[known, "p_adjusted"] = multipletests(p_values, method=correction)[1]
    table["p_adjusted"] = table["p_adjusted"].astype(float)
    return table
