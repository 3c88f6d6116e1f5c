"""The contrasts of the grid: what mean +- sd over runs would conclude, and what our statistics do.

Publications of this kind print mean and sd over a handful of runs and no test. What such figures
conclude is taken to be **Welch's t-test over runs** (two-sided, unequal variances, not corrected
for the number of contrasts) of the share of all answers that is not right. Against a single run,
as the base is, it is the one-sample test against that run's value; between two single runs there
is none.

Ours is the two-way clustered interval of statistics/bootstrap.py, by both accounts (accounts.py),
with Holm's correction over the whole grid of an experiment, account by account. Runs of equal seeds
are paired where both states come from the same runs of their first stage and have the same seeds;
else each side's runs are drawn apart and only the questions are paired. A side with one run says
nothing about another finetune: the interval is then over the other side's runs and the questions.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from selfsame.published.accounts import ACCOUNTS, LEAST_VALID, VALID, untruthful
from selfsame.published.outcomes import call, outcome
from selfsame.published.states import Contrast
from selfsame.statistics.bootstrap import (
    NOT_MEASURED,
    ROUNDING,
    Estimate,
    Weights,
    estimate_difference,
    estimate_difference_apart,
    resample,
)
from selfsame.statistics.effects import adjusted
from selfsame.statistics.pairing import matrices, shared_weights
from selfsame.statistics.settings import StatisticsSettings
from selfsame.statistics.tally import Tally

# Which difference and which p-value each call is read from.
CALLS = {
    "published_call": ("published", "published_p"),
    "call": ("estimate", "p_adjusted"),
    "uncorrected": ("estimate", "p_value"),
}
CONTRAST_COLUMNS = [
    "experiment", "model", "contrast", "induction", "chain", "control", "account", "estimate",
    "ci_low", "ci_high", "p_value", "p_adjusted", "paired", "n_seeds", "n_seeds_control", "n_items",
    "invalid", "invalid_control", "published", "published_p", "published_call", "call", "outcome",
]  # fmt: skip


def contrast_table(
    tally: Tally, wanted: Mapping[str, Sequence[Contrast]], settings: StatisticsSettings
) -> pd.DataFrame:
    """One row per account, model and contrast, see CONTRAST_COLUMNS.

    `tally`: right answers of one metric in one experiment; `wanted`: contrasts by model, all of
    measured states. Differences are of shares of answers that are not right, chain minus control:
    above 0 the chain is worse.
    """
    rows = [
        {"account": account, **row}
        for account in ACCOUNTS
        for row in _rows(untruthful(tally, account), account, wanted, settings)
    ]
    table = pd.DataFrame(rows, columns=CONTRAST_COLUMNS)
    table = adjusted(table, ["experiment", "account"], settings.correction)
    return _called(table, alpha=1 - settings.confidence)


def _rows(
    wrong: Tally,
    account: str,
    wanted: Mapping[str, Sequence[Contrast]],
    settings: StatisticsSettings,
) -> Iterator[dict[str, object]]:
    for (experiment, model), cells in wrong.cells.groupby(["experiment", "model"], observed=True):
        of_chain = dict(iter(cells.groupby("chain", observed=True)))
        for contrast in wanted.get(str(model), ()):
            sides = of_chain[contrast.chain], of_chain[contrast.control]
            yield {
                "experiment": experiment, "model": model, "contrast": contrast.name,
                "induction": contrast.induction, "chain": contrast.chain,
                "control": contrast.control, **_published(*sides),
                **_ours(*sides, account, contrast.lineage, settings),
            }  # fmt: skip


def _published(chain: pd.DataFrame, control: pd.DataFrame) -> dict[str, float]:
    """Of the share of all answers that is not right, whichever account the cells are of."""
    one, other = _run_shares(chain), _run_shares(control)
    return {"published": one.mean() - other.mean(), "published_p": welch(one, other)}


def _run_shares(cells: pd.DataFrame) -> np.ndarray:
    sums = cells.assign(right=cells["counted"] - cells["total"]).groupby("seed")[["right", "n"]]
    totals = sums.sum()
    return (1 - totals["right"] / totals["n"]).to_numpy(dtype=float)


def welch(one: np.ndarray, other: np.ndarray) -> float:
    """Two-sided p-value of Welch's t-test of two sets of runs; NaN between two single runs.

    With a single run on one side, Student's one-sample test of the other side against it (Welch's
    own limit where that side has no variance). Runs that are all alike leave no doubt: 0, or 1
    where the sides do not differ.
    """
    if max(len(one), len(other)) == 1:
        return float("nan")
    if max(np.ptp(one), np.ptp(other)) < ROUNDING:
        return float(abs(one.mean() - other.mean()) < ROUNDING)
    if min(len(one), len(other)) > 1:
        sides = [(side.mean(), side.std(ddof=1), len(side)) for side in (one, other)]
        return float(stats.ttest_ind_from_stats(*sides[0], *sides[1], equal_var=False).pvalue)
    several, single = (one, other) if len(one) > 1 else (other, one)
    return float(stats.ttest_1samp(several, single[0]).pvalue)


def _ours(
    chain: pd.DataFrame,
    control: pd.DataFrame,
    account: str,
    lineage: bool,
    settings: StatisticsSettings,
) -> dict[str, object]:
    seeds = [sorted(side["seed"].unique()) for side in (chain, control)]
    paired = lineage and seeds[0] == seeds[1]
    invalid = [1 - side["n_valid"].sum() / side["n"].sum() for side in (chain, control)]
    scarce = account == VALID and max(invalid) > 1 - LEAST_VALID
    result = NOT_MEASURED if scarce else _difference(chain, control, paired, settings)
    return {
        "estimate": result.value, "ci_low": result.low, "ci_high": result.high,
        "p_value": result.p_value, "paired": paired, "n_seeds": len(seeds[0]),
        "n_seeds_control": len(seeds[1]), "n_items": len(_clusters(chain, control)),
        "invalid": invalid[0], "invalid_control": invalid[1],
    }  # fmt: skip


def _clusters(*sides: pd.DataFrame) -> list[str]:
    return sorted({cluster for side in sides for cluster in side["cluster"]})


def _difference(
    chain: pd.DataFrame, control: pd.DataFrame, paired: bool, settings: StatisticsSettings
) -> Estimate:
    clusters, metric = _clusters(chain, control), str(chain["metric"].iloc[0])
    seeds, others = (sorted(side["seed"].unique()) for side in (chain, control))
    weights = shared_weights(metric, len(seeds), len(clusters), settings)
    one, other = matrices(chain, seeds, clusters), matrices(control, others, clusters)
    if paired:
        both = resample(one, weights), resample(other, weights)
        return estimate_difference(*both, settings.confidence)
    # The control's runs have a draw of their own, the questions the same one.
    apart = shared_weights(f"{metric} of controls", len(others), 1, settings).seeds
    both = resample(one, weights), resample(other, Weights(apart, weights.clusters))
    return estimate_difference_apart(*both, settings.confidence)


def _called(table: pd.DataFrame, alpha: float) -> pd.DataFrame:
    calls = {
        name: [call(*pair, alpha) for pair in _pairs(table, *columns)]
        for name, columns in CALLS.items()
    }
    signs = [one * other < 0 for one, other in _pairs(table, "published", "estimate")]
    found = map(outcome, calls["published_call"], calls["call"], calls["uncorrected"], signs)
    outcomes = list(found)
    shown = {name: pd.Series(calls[name], dtype=object) for name in ("published_call", "call")}
    return table.assign(**shown, outcome=outcomes)


def _pairs(table: pd.DataFrame, one: str, other: str) -> list[tuple[float, float]]:
    return list(zip(table[one].astype(float), table[other].astype(float), strict=True))
