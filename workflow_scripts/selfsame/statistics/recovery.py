"""Cured or only bandaged: behavioural recovery B beside latent recovery L.

Both are R = 1 - (m_state - m_base) / (m_induced - m_base), so 1 is back at the base, 0 as induced
and above 1 beyond the base. For B, m is the level of the primary metric; for L it is the shift of
the last prompt token along the trait's `response_mean` vector at the layer chosen by steering. The
base's shift is 0 by definition: shifts are measured from it. Intervals: bootstrap.py.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from selfsame.statistics.bootstrap import NOT_MEASURED, Estimate, estimate_recovery
from selfsame.statistics.pairing import require_pairs, sides
from selfsame.statistics.scores import STATE
from selfsame.statistics.settings import BASE, StatisticsSettings
from selfsame.statistics.tally import Tally, tally
from selfsame.tables.recovery import RECOVERY

RECOVERY_COLUMNS: list[str] = RECOVERY.names
# The ceiling under which steering, too, has to stay: with one answer in five incoherent, a state
# has lost the behaviour that is measured rather than mended it.
BROKEN_FROM = 0.20
HALF = 0.5  # nearer to the base than to the induced state, as in the half dose of relapse.py
VECTOR = "response_mean"  # the read-out position of the headline figures
VERDICTS = {
    (True, True): "cured",
    (True, False): "bandaged",
    (False, True): "hidden",
    (False, False): "unrepaired",
}
_HEADLINE = {"vector": VECTOR, "statistic": "movement", "selection": "chosen", "null": "covariance"}


def recovery(
    answers: Tally,
    projections: pd.DataFrame,
    nulls: pd.DataFrame,
    *,
    arms_of: Mapping[str, str],
    choices: Mapping[str, int],
    settings: StatisticsSettings,
) -> pd.DataFrame:
    """One row per experiment, model, chain and trait in the columns of RECOVERY.

    `answers` tallies the observations; `projections` and `nulls` are tables of those schemas;
    `arms_of` gives each chain the induced chain it is compared with, `choices` each trait its
    layer. A chain is left out where it, its induced chain or the base has no observations of the
    primary metric; its latent columns are null where it, or its induced chain, has no projections.
    UserError where two states do not cover the same seeds and questions.
    """
    rows: list[dict[str, object]] = []
    for keys, cells in answers.cells.groupby(["experiment", "model"], sort=True, observed=True):
        names = dict(zip(("experiment", "model"), map(str, keys), strict=True))
        primary = cells[cells["metric"] == settings.primary_metric]
        behaviour = _recoveries(Tally(primary, answers.questions), arms_of, settings)
        incoherent = _incoherent(cells, settings.primary_metric)
        for trait, layer in choices.items():
            shifts = _shifts(_of(projections, **names, trait=trait, layer=layer))
            latent = _recoveries(tally(shifts), arms_of, settings)
            head = {**names, "trait": trait, "layer": layer}
            rows += [{**head, **row} for row in _rows(behaviour, latent, incoherent)]
    return _with_null_p(pd.DataFrame(rows, columns=RECOVERY_COLUMNS), nulls)


def verdict(behaviour: float, latent: float, incoherent: float) -> str:
    """What B, L and the incoherent share (NaN: not measurable) say together; broken comes first."""
    if incoherent >= BROKEN_FROM:
        return "broken"
    if math.isnan(behaviour):
        return "no behaviour measure"
    if math.isnan(latent):
        return "no latent measure"
    return VERDICTS[behaviour >= HALF, latent >= HALF]


def decided(behaviour: Estimate, latent: Estimate) -> bool:
    """Whether each of the two intervals is defined and lies on one side of a half."""
    return all(found.low >= HALF or found.high < HALF for found in (behaviour, latent))


@dataclass(frozen=True)
class _Recovery:
    """One chain's recovery, from which induced chain, over how many seeds and clusters."""

    estimate: Estimate
    induced: str
    n_seeds: int
    n_items: int


def _recoveries(
    levels: Tally, arms_of: Mapping[str, str], settings: StatisticsSettings
) -> dict[str, _Recovery]:
    """The recovery of each chain that is measured, together with its induced chain and the base."""
    present = set(levels.cells["chain"].unique())
    wanted = {chain: of for chain, of in arms_of.items() if {chain, of, BASE} <= present}
    if not wanted:
        return {}
    found = sides(levels, {BASE, *wanted, *wanted.values()}, settings)
    metric = str(levels.cells["metric"].iloc[0])
    recoveries = {}
    for chain, induced in wanted.items():
        require_pairs(chain, induced, found, metric)
        require_pairs(chain, BASE, found, metric)
        one, base, whole = (found[name].resampled for name in (chain, BASE, induced))
        estimate = estimate_recovery(one, base, whole, settings.confidence)
        recoveries[chain] = _Recovery(estimate, induced, **found[chain].sizes)
    return recoveries


def _shifts(projections: pd.DataFrame) -> pd.DataFrame:
    """The shifts of one trait at one layer as counted observations, with the base's zeros."""
    rows = _of(projections, measure="shift", vector=VECTOR)
    rows = rows[rows["chain"] != BASE]
    rows = rows.assign(
        cluster=rows["item"], metric=rows["trait"] + ".shift", counted_value=rows["value"],
        counts=1, valid=True,
    )  # fmt: skip
    base = rows.drop_duplicates(["seed", "item"]).assign(chain=BASE, counted_value=0.0)
    return pd.concat([rows, base], ignore_index=True)


def _incoherent(cells: pd.DataFrame, primary: str) -> dict[str, float]:
    """The share of incoherent answers in the primary probe of each chain that has this metric."""
    rows = cells[cells["metric"] == primary.rsplit(".", 1)[0] + ".incoherent"]
    sums = rows.groupby("chain", observed=True)[["total", "n"]].sum()
    return {str(chain): float(total / n) for chain, total, n in sums.itertuples()}


def _rows(
    behaviour: Mapping[str, _Recovery],
    latent: Mapping[str, _Recovery],
    incoherent: Mapping[str, float],
) -> Iterator[dict[str, object]]:
    for chain, one in behaviour.items():
        other = latent.get(chain)
        seen, hidden = one.estimate, other.estimate if other else NOT_MEASURED
        share = incoherent.get(chain, math.nan)
        yield {
            "chain": chain, "induced": one.induced, "incoherent": share,
            **_interval("behaviour", seen), **_interval("latent", hidden),
            "verdict": verdict(_meant(seen), _meant(hidden), share),
            "decided": decided(seen, hidden),
            "n_seeds": one.n_seeds, "n_items": one.n_items,
            "n_latent_items": other.n_items if other else None,
        }  # fmt: skip


def _meant(found: Estimate) -> float:
    """The recovery; NaN without an interval, as no damage is clear that it could be a share of."""
    return math.nan if math.isnan(found.low) else found.value


def _interval(name: str, found: Estimate) -> dict[str, float]:
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def _with_null_p(table: pd.DataFrame, nulls: pd.DataFrame) -> pd.DataFrame:
    """Fill null_p and null_p_adjusted from each chain's movement along the trait's vector."""
    keys = [*STATE, "trait"]
    names = {"p_value": "null_p", "p_adjusted": "null_p_adjusted"}
    found = _of(nulls, **_HEADLINE).rename(columns=names)[[*keys, *names.values()]]
    joined = table.drop(columns=list(names.values())).merge(found, on=keys, how="left")
    return joined[RECOVERY_COLUMNS].astype({"n_latent_items": "Int64"})


def _of(rows: pd.DataFrame, **wanted: str | int) -> pd.DataFrame:
    """The rows that have these values in these columns."""
    return rows[(rows[list(wanted)] == pd.Series(wanted)).all(axis=1)]
