"""Levels: the share of answers that are not right, of every run and state, by both accounts."""

import numpy as np
import pandas as pd

from selfsame.published.accounts import ACCOUNTS, LEAST_VALID, VALID, untruthful
from selfsame.statistics.effects import summary
from selfsame.statistics.scores import SCORE_KEYS, STATE
from selfsame.statistics.settings import StatisticsSettings
from selfsame.statistics.tally import Tally


def runs(tally: Tally) -> pd.DataFrame:
    """Every run by both accounts: SCORE_KEYS, account, value (null where nothing counts), n,
    n_invalid. A run is one finetune: one seed of a chain.
    """
    return pd.concat([_runs(untruthful(tally, name), name) for name in ACCOUNTS], ignore_index=True)


def _runs(wrong: Tally, account: str) -> pd.DataFrame:
    grouped = wrong.cells.groupby(SCORE_KEYS, sort=True, observed=True)
    sums = grouped[["total", "counted", "n", "n_valid"]].sum().reset_index()
    value = sums["total"] / sums["counted"].where(sums["counted"] > 0)
    return sums.assign(account=account, value=value, n_invalid=sums["n"] - sums["n_valid"])


def over_runs(by_runs: pd.DataFrame) -> pd.DataFrame:
    """What publications print of every state and account: mean and sd over its runs.

    STATE, account, run_mean, run_sd (n - 1; null for one run), n, n_invalid, n_seeds.
    """
    grouped = by_runs.groupby([*STATE, "account"], sort=True, observed=True)
    table = grouped.agg(
        run_mean=("value", "mean"),
        run_sd=("value", "std"),
        n=("n", "sum"),
        n_invalid=("n_invalid", "sum"),
        n_seeds=("seed", "nunique"),
    )
    return _without_scarce(table.reset_index().astype(dict.fromkeys(STATE, object)))


def levels(tally: Tally, settings: StatisticsSettings) -> pd.DataFrame:
    """Every state by both accounts with its interval, and what `over_runs` says of it.

    `value` is the mean over all answers that count, `ci_low` and `ci_high` its two-way interval
    (over questions alone where there is one run). UserError as `summary` says.
    """
    parts = [summary(untruthful(tally, name), settings).assign(account=name) for name in ACCOUNTS]
    intervals = pd.concat(parts, ignore_index=True).astype(dict.fromkeys(STATE, object))
    keys = [*STATE, "account"]
    wanted = intervals[[*keys, "value", "ci_low", "ci_high", "n_items"]]
    return _without_scarce(over_runs(runs(tally)).merge(wanted, on=keys))


def _without_scarce(table: pd.DataFrame) -> pd.DataFrame:
    """No figures of valid answers where too few are valid."""
    scarce = (table["account"] == VALID) & (1 - table["n_invalid"] / table["n"] < LEAST_VALID)
    figures = table.columns.intersection(["value", "ci_low", "ci_high", "run_mean", "run_sd"])
    table.loc[scarce, figures] = np.nan
    return table
