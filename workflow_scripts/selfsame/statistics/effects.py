"""Effects: each chain against its parent, the base and its matched controls; and pooled levels.

An effect is the chain's pooled mean minus the control's, over the same seeds and the same
questions, with the two-way clustered interval of bootstrap.py. Every chain of one metric shares one
draw of weights, so contrasts are paired, and the draw of one metric does not depend on which other
metrics there are.

Family of the correction: all contrasts of one kind (parent, base or matched_control) on one metric
within one experiment and model. The primary metric is the confirmatory one; the rest are
exploratory.
"""

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd
from statsmodels.stats.multitest import multipletests

from selfsame.statistics.bootstrap import Estimate, estimate_difference, estimate_mean, resample
from selfsame.statistics.pairing import matrices, require_pairs, shared_weights, sides, sizes
from selfsame.statistics.scales import scale_of
from selfsame.statistics.scores import STATE
from selfsame.statistics.settings import BASE, Arm, StatisticsSettings
from selfsame.statistics.tally import Tally

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


def effects(tally: Tally, arms: Mapping[str, Arm], settings: StatisticsSettings) -> pd.DataFrame:
    """One row per experiment, model, chain, control, contrast and metric, see EFFECT_COLUMNS.

    `arms` says of each chain what its parent and its matched controls are. A chain of one stage,
    whose parent is the base, is compared with it once, as `base`. With one seed the interval is
    over questions alone (n_seeds = 1). Chains that are not keys of `arms` are not measured, hence
    not compared with. A metric that no chain has a valid answer of is left out; estimates are null
    where one side has none; where the two sides do not cover the same seeds and questions,
    UserError.
    """
    cells = tally.cells[tally.cells["metric"].isin(_of_states(tally))]
    rows: list[dict[str, object]] = []
    for keys, group in cells.groupby(["experiment", "model", "metric"], sort=True, observed=True):
        names = dict(zip(("experiment", "model", "metric"), keys, strict=True))
        of_metric = Tally(group, tally.questions)
        rows += [{**names, **row} for row in _metric_effects(of_metric, arms, settings)]
    return adjusted(pd.DataFrame(rows, columns=EFFECT_COLUMNS), _FAMILY, settings.correction)


def summary(tally: Tally, settings: StatisticsSettings) -> pd.DataFrame:
    """The pooled mean of every chain and metric with its interval, see SUMMARY_COLUMNS."""
    rows = []
    # By metric first: chains of one metric are resampled with the same weights, drawn once.
    for keys, cells in tally.cells.groupby(["metric", *STATE], sort=True, observed=True):
        values = _level(cells, settings)
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


def adjusted(table: pd.DataFrame, family: Sequence[str], correction: str) -> pd.DataFrame:
    """Fill `p_adjusted` within each family, the rows that are equal in these columns.

    An undefined p-value stays so and does not count.
    """
    for _, rows in table.groupby(list(family), sort=False, observed=True):
        known = rows.index[rows["p_value"].notna()]
        if len(known):
            p_values = table.loc[known, "p_value"].to_numpy(dtype=float)
            table.loc[known, "p_adjusted"] = multipletests(p_values, method=correction)[1]
    table["p_adjusted"] = table["p_adjusted"].astype(float)
    return table


def _of_states(tally: Tally) -> set[str]:
    """The metrics of states that any chain has a valid answer of."""
    measured = tally.cells.loc[tally.cells["n_valid"] > 0, "metric"].unique()
    return {name for name in measured if name.rsplit(".", 1)[-1] not in _OF_TEXTS}


def _metric_effects(
    tally: Tally, arms: Mapping[str, Arm], settings: StatisticsSettings
) -> Iterator[dict[str, object]]:
    wanted = list(contrasts(arms))
    found = sides(tally, {chain for pair in wanted for chain in pair[:2]}, settings)
    metric = str(tally.cells["metric"].iloc[0])
    for chain, control, contrast in wanted:
        require_pairs(chain, control, found, metric)
        one, other = found[chain].resampled, found[control].resampled
        result = estimate_difference(one, other, settings.confidence, scale_of(metric))
        yield {
            "chain": chain, "control": control, "contrast": contrast, "estimate": result.value,
            **_interval(result), "p_value": result.p_value, **found[chain].sizes,
        }  # fmt: skip


def _level(rows: pd.DataFrame, settings: StatisticsSettings) -> dict[str, object]:
    # Only this chain's own seeds and clusters: levels stand alone and need no partner.
    seeds, clusters = sorted(rows["seed"].unique()), sorted(rows["cluster"].unique())
    weights = shared_weights(str(rows["metric"].iloc[0]), len(seeds), len(clusters), settings)
    chain = resample(matrices(rows, seeds, clusters), weights)
    result = estimate_mean(chain, settings.confidence, scale_of(str(rows["metric"].iloc[0])))
    counts = {"n": int(rows["n"].sum()), "n_invalid": int((rows["n"] - rows["n_valid"]).sum())}
    return {"value": result.value, **_interval(result), **counts, **sizes(rows)}


def _interval(result: Estimate) -> dict[str, float]:
    return {"ci_low": result.low, "ci_high": result.high}
