"""Relapse: how much fresh induction brings back half of the induced change.

Repaired states, the base and the induced state are finetuned again on fresh induction rows, and the
metric is read after each dose (optimizer steps; 0 is the state itself). The half dose of a chain is
the smallest dose at which its level reaches the midpoint between the base's and the induced
state's levels at dose 0: the first crossing, by linear interpolation between neighbouring doses. A
repaired state that needs fewer steps than the base has kept a trace of its induction.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from selfsame.errors import UserError
from selfsame.statistics.bootstrap import Array, Resampled, estimate_difference, excludes_zero
from selfsame.statistics.pairing import require_pairs, sides
from selfsame.statistics.recovery import HALF
from selfsame.statistics.scores import STATE, counted_observations, pooled
from selfsame.statistics.settings import BASE, StatisticsSettings
from selfsame.statistics.tally import tally
from selfsame.tables.relapse import RELAPSE, RELAPSE_DOSES

RELAPSE_COLUMNS: list[str] = RELAPSE.names
HALF_DOSE_COLUMNS: list[str] = RELAPSE_DOSES.names


def relapse_levels(observations: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The metric's level of every chain, seed and dose, in the columns of RELAPSE.

    `observations` are rows of RELAPSE_OBSERVATIONS.
    """
    rows = observations[observations["metric"] == metric]
    return pooled(rows, [*STATE, "seed", "dose", "metric"])[RELAPSE_COLUMNS]


def half_doses(
    observations: pd.DataFrame, metric: str, induced: str, settings: StatisticsSettings
) -> pd.DataFrame:
    """Each chain's half dose with its interval, in the columns of RELAPSE_DOSES.

    `observations` are rows of RELAPSE_OBSERVATIONS, `induced` is the chain whose level at
    dose 0 is the whole of the induced change. half_dose is 0 and `already` true where the midpoint
    is reached at dose 0, null and `censored` true where it is never reached. No rows where the base
    or the induced chain is not measured at dose 0; UserError where another chain is not, or where
    two states do not cover the same seeds and questions.

    The interval is the percentiles of the bootstrap replicates: each has its own levels and its own
    midpoint, under weights that all chains and doses share, and one that never crosses counts as
    plus infinity. An infinite upper end is null; a lower end beyond the largest dose is that dose.
    Percentiles and not Student's t, as a crossing that may be 0 or infinite has no influence to
    take degrees of freedom from: WITH THREE SEEDS THEY ARE TOO NARROW wherever seeds differ
    (docs/statistics.md). Both ends are null where the induced change itself is not clear of zero.
    """
    counted = counted_observations(observations[observations["metric"] == metric])
    rows: list[dict[str, object]] = []
    for keys, group in counted.groupby(["experiment", "model"], sort=True, observed=True):
        names = dict(zip(("experiment", "model", "metric"), (*keys, metric), strict=True))
        rows += [{**names, **row} for row in _chain_rows(group, metric, induced, settings)]
    return pd.DataFrame(rows, columns=HALF_DOSE_COLUMNS)


def first_crossing(doses: Array, progress: Array) -> Array:
    """The dose, shape (rows,), at which each row of `progress` (rows, doses) first reaches 0.

    `doses` ascend. Infinity where it is never reached, NaN where a row holds NaN.
    """
    reached = progress >= 0
    after = reached.argmax(axis=1)
    before = np.maximum(after - 1, 0)
    every = np.arange(len(progress))
    low, rise = progress[every, before], progress[every, after] - progress[every, before]
    share = np.divide(-low, rise, out=np.zeros_like(low), where=after > 0)
    crossing = doses[before] + share * (doses[after] - doses[before])
    crossing = np.where(reached.any(axis=1), crossing, np.inf)
    return np.where(np.isnan(progress).any(axis=1), np.nan, crossing)


def _chain_rows(
    group: pd.DataFrame, metric: str, induced: str, settings: StatisticsSettings
) -> Iterator[dict[str, object]]:
    states = [_state(*pair) for pair in zip(group["chain"], group["dose"], strict=True)]
    if not {BASE, induced} <= set(states):
        return
    found = sides(tally(group.assign(chain=states)), set(states), settings)
    for state in found:
        require_pairs(state, BASE, found, metric)
    base, whole = found[BASE].resampled, found[induced].resampled
    change = estimate_difference(whole, base, settings.confidence)
    for chain, doses in _doses(group).items():
        curve = [found[_state(chain, dose)].resampled for dose in doses]
        progress = np.stack([_progress(level, base, whole) for level in curve], axis=1)
        crossings = first_crossing(np.array(doses, dtype=np.float64), progress)
        ends = _ends(crossings[1:], doses[-1], settings.confidence)
        yield {
            "chain": chain, **_half_dose(float(crossings[0])),
            **(ends if excludes_zero(change) else {}), **found[chain].sizes,
        }  # fmt: skip


def _state(chain: str, dose: int) -> str:
    """A chain after a dose is a state of its own; at dose 0 it is the chain itself."""
    return f"{chain}@{dose}" if dose else chain


def _doses(group: pd.DataFrame) -> dict[str, list[int]]:
    """The ascending doses of each chain; UserError where one does not start at 0."""
    doses = {
        str(chain): sorted(found.unique())
        for chain, found in group.groupby("chain", sort=True, observed=True)["dose"]
    }
    if late := [chain for chain, found in doses.items() if found[0] != 0]:
        raise UserError(f"relapse of {', '.join(late)} has no dose 0: measure that dose, too")
    return doses


def _progress(level: Resampled, base: Resampled, whole: Resampled) -> Array:
    """The level's part of the induced change, less a half: the mean's, then each replicate's.

    Shape (1 + samples,), from -1/2 at the base to 1/2 at the induced level; NaN without a change.
    """
    levels, low, high = (np.append(one.mean, one.replicates) for one in (level, base, whole))
    change = high - low
    share: Array = np.divide(levels - low, change, out=change * np.nan, where=change != 0)
    return share - HALF


def _half_dose(crossing: float) -> dict[str, object]:
    censored = np.isinf(crossing)
    return {
        "half_dose": np.nan if censored else crossing,
        "already": crossing == 0,
        "censored": bool(censored),
    }


def _ends(replicates: Array, largest: int, confidence: float) -> dict[str, float]:
    """The percentiles of the replicates' crossings, which may be infinite; NaN without any."""
    known = replicates[~np.isnan(replicates)]
    if not len(known):
        return {}
    # Order statistics: between a dose and infinity there is nothing to interpolate.
    low = np.quantile(known, (1 - confidence) / 2, method="lower")
    high = np.quantile(known, (1 + confidence) / 2, method="higher")
    return {"ci_low": min(float(low), largest), "ci_high": float(high) if high < np.inf else np.nan}
