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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests

from selfsame.errors import UserError
from selfsame.statistics.bootstrap import (
    Cells,
    Estimate,
    Weights,
    draw_weights,
    estimate_difference,
    estimate_mean,
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
    for keys, group in counted.groupby([*STATE, "metric"], sort=True, observed=True):
        values = _level(group, str(keys[-1]), settings)
        rows.append(dict(zip([*STATE, "metric"], keys, strict=True)) | values)
    return pd.DataFrame(rows, columns=SUMMARY_COLUMNS)


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
class _Grid:
    """Observations of one metric as cells per chain over common seeds and clusters."""

    group: pd.DataFrame
    seeds: list[int]
    clusters: list[str]
    weights: Weights

    def chain(self, name: str) -> pd.DataFrame:
        rows = self.group[self.group["chain"] == name]
        if rows.empty:
            raise UserError(
                f"observations hold no {self.group['metric'].iloc[0]} of chain {name}:"
                " sample that state with the same probes"
            )
        return _over_all_seeds(rows, self.seeds) if name == BASE else rows

    def cells(self, rows: pd.DataFrame) -> Cells:
        def matrix(column: str) -> np.ndarray:
            table = rows.pivot_table(
                index="seed", columns="cluster", values=column, aggfunc="sum", observed=True
            )
            table = table.reindex(index=self.seeds, columns=self.clusters)
            return table.fillna(0.0).to_numpy(dtype=float)

        return Cells(matrix("counted_value"), matrix("counts"))


def _grid(group: pd.DataFrame, metric: str, settings: StatisticsSettings) -> _Grid:
    finetuned = group[group["chain"] != BASE]
    seeds = sorted((finetuned if len(finetuned) else group)["seed"].unique())
    clusters = sorted(group["cluster"].unique())
    rng = np.random.default_rng([settings.seed, zlib.crc32(metric.encode())])
    weights = draw_weights(len(seeds), len(clusters), settings.bootstrap_samples, rng)
    return _Grid(group, seeds, clusters, weights)


def _over_all_seeds(base: pd.DataFrame, seeds: list[int]) -> pd.DataFrame:
    """The base rows; when measured once, repeated for each seed (the base is not finetuned)."""
    if base["seed"].nunique() > 1 or len(seeds) == 1:
        return base
    return pd.concat([base.assign(seed=seed) for seed in seeds], ignore_index=True)


def _metric_effects(
    group: pd.DataFrame, arms: Mapping[str, Arm], settings: StatisticsSettings
) -> Iterator[dict[str, object]]:
    grid = _grid(group, str(group["metric"].iloc[0]), settings)
    rows = {chain: grid.chain(chain) for pair in contrasts(arms) for chain in pair[:2]}
    cells = {chain: grid.cells(part) for chain, part in rows.items()}
    for chain, control, contrast in contrasts(arms):
        _require_pairs(rows[chain], rows[control])
        result = estimate_difference(
            cells[chain], cells[control], grid.weights, settings.confidence
        )
        yield {
            "chain": chain, "control": control, "contrast": contrast, "estimate": result.value,
            **_interval(result), "p_value": result.p_value, **_sizes(rows[chain]),
        }  # fmt: skip


def _require_pairs(rows: pd.DataFrame, control: pd.DataFrame) -> None:
    keys = ["seed", "item", "cluster"]
    here, there = (set(part[keys].itertuples(index=False, name=None)) for part in (rows, control))
    if unpaired := here ^ there:
        seed, item, _ = min(unpaired, key=str)
        chain, other = rows["chain"].iloc[0], control["chain"].iloc[0]
        raise UserError(
            f"{rows['metric'].iloc[0]}: {len(unpaired)} (seed, item) of {chain} and {other} have"
            f" no partner, as seed {seed}, item {item}: sample both states with the same probe"
        )


def _level(rows: pd.DataFrame, metric: str, settings: StatisticsSettings) -> dict[str, object]:
    # Only this chain's own seeds and clusters: levels stand alone and need no partner.
    seeds, clusters = sorted(rows["seed"].unique()), sorted(rows["cluster"].unique())
    rng = np.random.default_rng([settings.seed, zlib.crc32(metric.encode())])
    weights = draw_weights(len(seeds), len(clusters), settings.bootstrap_samples, rng)
    cells = _Grid(rows, seeds, clusters, weights).cells(rows)
    result = estimate_mean(cells, weights, settings.confidence)
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
