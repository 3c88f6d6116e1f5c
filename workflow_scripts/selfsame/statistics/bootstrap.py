"""Two-way clustered bootstrap of means over seeds x question clusters, sound for very few seeds.

Weights. Seeds and clusters are resampled independently and an observation's weight is the product
of its two weights (Owen & Eckles 2012, "Bootstrapping data arrays of arbitrary order", Annals of
Applied Statistics 6(3), arXiv 1106.2125, who prove the variance mildly conservative; no exact
bootstrap of crossed effects exists, McCullagh 2000, Bernoulli 6). Each way draws n - 1 of its n
units with replacement and scales the counts by n / (n - 1): Rao & Wu 1988, "Resampling inference
with complex survey data", JASA 83(401). Drawing n of n instead would make the variance too small by
(n - 1) / n, which is a third with three seeds.

Intervals. With three seeds the replicates take few values and their percentiles are far too narrow,
so the interval is estimate +- t * (standard deviation of the replicates), t with Satterthwaite's
degrees of freedom (1946, Biometrics Bulletin 2(6)): 2 when three seeds make up all of the variance,
many when the questions do. The p-value inverts this interval. Measured coverage: docs/statistics.md
and coverage.py.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from selfsame.statistics.scales import SHARE, Scale

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Cells:
    """Sums and counts of one chain's observations of one metric, each (seeds, clusters)."""

    sums: Array
    counts: Array

    @property
    def mean(self) -> float:
        """The pooled mean over all counted observations; NaN where nothing counts."""
        total = float(self.counts.sum())
        return float(self.sums.sum()) / total if total > 0 else float("nan")

    @property
    def influence(self) -> Array:
        """First-order influence of each cell on the pooled mean, shape (seeds, clusters), sum 0."""
        centred: Array = (self.sums - self.mean * self.counts) / max(self.counts.sum(), 1.0)
        return centred


@dataclass(frozen=True)
class Weights:
    """Bootstrap weights: of seeds, shape (samples, seeds), of clusters, (samples, clusters)."""

    seeds: Array
    clusters: Array

    def means(self, cells: Cells) -> Array:
        """The pooled mean of every replicate, shape (samples,); NaN where none of it counts."""
        total = self._weighted(cells.counts)
        known = total > 0
        return np.where(known, self._weighted(cells.sums) / np.where(known, total, 1.0), np.nan)

    def _weighted(self, matrix: Array) -> Array:
        summed: Array = ((self.clusters @ matrix.T) * self.seeds).sum(axis=1)
        return summed


@dataclass(frozen=True)
class Resampled:
    """One chain's pooled mean, its influence (seeds, clusters) and its replicates (samples,).

    groups: sizes of the groups of seeds that were drawn apart from each other, in the order of the
    influence's rows; empty where all seeds are one group.
    """

    mean: float
    influence: Array
    replicates: Array
    groups: tuple[int, ...] = field(default=(), kw_only=True)


@dataclass(frozen=True)
class Estimate:
    """An estimate with its interval and two-sided p-value against zero; NaN where undefined."""

    value: float
    low: float
    high: float
    p_value: float


UNDEFINED = float("nan")
NOT_MEASURED = Estimate(UNDEFINED, UNDEFINED, UNDEFINED, UNDEFINED)
ROUNDING = 1e-12  # differences below this are rounding of sums, not data


def draw_weights(n_seeds: int, n_clusters: int, samples: int, rng: np.random.Generator) -> Weights:
    """Independent Rao-Wu weights for both ways."""
    return Weights(_rao_wu(n_seeds, samples, rng), _rao_wu(n_clusters, samples, rng))


def resample(cells: Cells, weights: Weights) -> Resampled:
    """The cells' mean under every replicate's weights. Chains that share weights are paired."""
    return Resampled(cells.mean, cells.influence, weights.means(cells))


def estimate_mean(chain: Resampled, confidence: float, scale: Scale = SHARE) -> Estimate:
    """The pooled mean with its interval, kept within the scale; no test (p is NaN)."""
    result = _interval(chain, confidence)
    low, high = max(result.low, scale.low), min(result.high, scale.high)
    return Estimate(result.value, low, high, UNDEFINED)


def estimate_difference(
    chain: Resampled, control: Resampled, confidence: float, scale: Scale = SHARE
) -> Estimate:
    """Mean minus the control's mean, both under the SAME weights: paired on seed and cluster.

    The interval is kept within what two values of the scale can differ by.
    """
    result = _interval(_minus(chain, control), confidence)
    low, high = max(result.low, -scale.width), min(result.high, scale.width)
    return Estimate(result.value, low, high, result.p_value)


def estimate_difference_apart(chain: Resampled, control: Resampled, confidence: float) -> Estimate:
    """Mean minus the control's mean, paired on cluster alone: each has seeds of its own.

    Both are drawn under the same cluster weights and under seed weights of their own, so that the
    variances over seeds add up, as in Welch's test; degrees of freedom by Satterthwaite over three
    parts: the chain's seeds, the control's, the clusters. The numbers of seeds may differ.
    """
    result = _interval(_apart(chain, control), confidence)
    return Estimate(result.value, max(result.low, -1.0), min(result.high, 1.0), result.p_value)


def estimate_recovery(
    state: Resampled, base: Resampled, induced: Resampled, confidence: float
) -> Estimate:
    """R = 1 - (m_state - m_base) / (m_induced - m_base): 1 back at the base, 0 as induced; no test.

    The interval is the delta method's. With D = m_induced - m_base and r = (m_state - m_base) / D
    the differential of r is [d(m_state - m_base) - r dD] / D, hence

        dR = -[(d_state - d_base) - r (d_induced - d_base)] / D,

    which is linear in the three means: the same combination of their replicates and of their
    influences is R's own to first order, and is treated as a mean's, Student's t with
    Satterthwaite's degrees of freedom included. No replicate is divided by its own, perhaps tiny,
    D. The three share one draw of weights. R is a ratio: it may exceed 1 or fall below 0.

    A recovery from nothing means nothing. Unless D's own interval leaves 0 out, low and high are
    NaN and the value is kept; where D is 0 the value is NaN too.
    """
    induction, left = _minus(induced, base), _minus(state, base)
    if abs(induction.mean) < ROUNDING:
        return NOT_MEASURED
    share = left.mean / induction.mean
    if not excludes_zero(_interval(induction, confidence)):
        return Estimate(1 - share, UNDEFINED, UNDEFINED, UNDEFINED)
    rest = _minus(left, induction, share)
    linear = [-part / induction.mean for part in (rest.influence, rest.replicates)]
    result = _interval(Resampled(1 - share, *linear), confidence)
    return Estimate(result.value, result.low, result.high, UNDEFINED)


def excludes_zero(estimate: Estimate) -> bool:
    """Whether the interval is defined and leaves zero out."""
    return estimate.low > 0 or estimate.high < 0


def degrees_of_freedom(influence: Array, groups: tuple[int, ...] = ()) -> float:
    """Satterthwaite's degrees of freedom of the two-way variance of a mean.

    `influence` has shape (seeds, clusters); a way with one unit carries no variance. `groups`: as
    in Resampled. Returns infinity where no variance is seen.
    """
    of_seeds = np.split(influence.sum(axis=1), np.cumsum(groups[:-1], dtype=int))
    parts = [_one_way_variance(totals) for totals in (*of_seeds, influence.sum(axis=0))]
    total = sum(variance for variance, _ in parts)
    spread = sum(variance**2 / df for variance, df in parts if df > 0)
    return total**2 / spread if spread > 0 else float("inf")


def _minus(one: Resampled, other: Resampled, factor: float = 1.0) -> Resampled:
    return Resampled(
        one.mean - factor * other.mean,
        one.influence - factor * other.influence,
        one.replicates - factor * other.replicates,
    )


def _apart(one: Resampled, other: Resampled) -> Resampled:
    return Resampled(
        one.mean - other.mean,
        np.vstack([one.influence, -other.influence]),
        one.replicates - other.replicates,
        groups=(len(one.influence), len(other.influence)),
    )


def _rao_wu(n: int, samples: int, rng: np.random.Generator) -> Array:
    if n == 1:  # a single unit cannot be resampled: its variance is not part of the interval
        return np.ones((samples, 1))
    drawn = rng.integers(n, size=(samples, n - 1)) + n * np.arange(samples)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=samples * n).reshape(samples, n)
    return counts.astype(np.float64) * (n / (n - 1))


def _one_way_variance(totals: Array) -> tuple[float, int]:
    n = len(totals)
    return (n / (n - 1) * float((totals**2).sum()), n - 1) if n > 1 else (0.0, 0)


def _interval(drawn: Resampled, confidence: float) -> Estimate:
    """The mean +- t times the replicates' standard deviation: their own centre plays no part."""
    known = drawn.replicates[~np.isnan(drawn.replicates)]
    single = drawn.influence.shape[1] == 1 and set(drawn.groups or drawn.influence.shape[:1]) == {1}
    if np.isnan(drawn.mean) or len(known) < 2 or single:
        return Estimate(drawn.mean, UNDEFINED, UNDEFINED, UNDEFINED)
    error = float(known.std(ddof=1))
    df = degrees_of_freedom(drawn.influence, drawn.groups)
    half = float(stats.t.ppf((1 + confidence) / 2, df)) * error
    p_value = _p_value(drawn.mean, error, df, floor=1 / (len(known) + 1))
    return Estimate(drawn.mean, drawn.mean - half, drawn.mean + half, p_value)


def _p_value(value: float, error: float, df: float, floor: float) -> float:
    """The smallest 1 - confidence whose interval excludes 0, at least `floor`."""
    if error > ROUNDING:
        return max(2 * float(stats.t.sf(abs(value) / error, df)), floor)
    return 1.0 if abs(value) < ROUNDING else floor
