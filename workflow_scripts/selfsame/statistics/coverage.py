"""Coverage of the intervals by simulation: `python -m selfsame.statistics.coverage`.

Draws data with seed effects, question effects and noise around a true mean of zero, and counts how
often the interval of bootstrap.py holds the truth; the plain percentile interval stands beside it.
A second table does the same for recoveries, a third one for differences between sides
with seeds of their own.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from selfsame.statistics.bootstrap import (
    Array,
    Cells,
    Resampled,
    Weights,
    draw_weights,
    estimate_difference,
    estimate_difference_apart,
    estimate_recovery,
    resample,
)


@dataclass(frozen=True)
class Design:
    """Numbers of seeds and questions, and the variances of their effects and of the noise."""

    seeds: int
    questions: int
    seed_variance: float
    question_variance: float
    noise_variance: float


@dataclass(frozen=True)
class Coverage:
    """Share of intervals that hold the truth: ours, and the percentiles of the same replicates."""

    interval: float
    percentile: float


@dataclass(frozen=True)
class RecoveryCoverage:
    """Share of recoveries that have an interval, and of those intervals that hold the truth."""

    interval: float
    defined: float


VARIANCES = {
    "noise alone": (0.0, 0.0, 1.0),
    "mostly noise": (0.02, 0.05, 1.0),
    "mostly questions": (0.02, 0.2, 0.3),
    "mixed": (0.1, 0.1, 0.1),
    "mostly seeds": (1.0, 0.1, 0.1),
}
LEVEL = 0.95
SCALE = 0.01  # keeps the simulated differences well inside [-1, 1]

INDUCED = 5 * SCALE  # what the induction moves: five standard deviations of variance 1
RECOVERIES = (0.0, 0.5, 1.0)


def coverage(design: Design, trials: int, samples: int, rng: np.random.Generator) -> Coverage:
    """Coverage of 95 % intervals of a difference whose true value is 0."""
    weights = draw_weights(design.seeds, design.questions, samples, rng)
    hits = np.array([_trial(_simulate(design, rng), weights) for _ in range(trials)])
    return Coverage(*(float(share) for share in hits.mean(axis=0)))


def recovery_coverage(
    design: Design, recovery: float, trials: int, samples: int, rng: np.random.Generator
) -> RecoveryCoverage:
    """Coverage of 95 % intervals of a recovery from an induction of INDUCED."""
    weights = draw_weights(design.seeds, design.questions, samples, rng)
    found = [_recovery_trial(design, recovery, weights, rng) for _ in range(trials)]
    hits = [hit for hit in found if hit is not None]
    return RecoveryCoverage(sum(hits) / max(len(hits), 1), len(hits) / trials)


def coverage_apart(
    design: Design, control_seeds: int, trials: int, samples: int, rng: np.random.Generator
) -> float:
    """Coverage of 95 % intervals of a difference of 0 between sides that share questions alone.

    A control with one seed stands for a base that is not finetuned: it has no seed effects.
    """
    weights = draw_weights(design.seeds, design.questions, samples, rng)
    own = draw_weights(control_seeds, design.questions, samples, rng)
    variance = 0.0 if control_seeds == 1 else design.seed_variance
    other = replace(design, seeds=control_seeds, seed_variance=variance)
    hits = 0
    for _ in range(trials):
        chain = _resampled(_simulate(design, rng), weights)
        control = _resampled(_simulate(other, rng), Weights(own.seeds, weights.clusters))
        found = estimate_difference_apart(chain, control, LEVEL)
        hits += found.low <= 0 <= found.high
    return hits / trials


def _simulate(design: Design, rng: np.random.Generator) -> Array:
    def normal(rows: int, columns: int, variance: float) -> Array:
        return rng.normal(scale=np.sqrt(variance), size=(rows, columns))

    seeds, questions = design.seeds, design.questions
    effects = normal(seeds, 1, design.seed_variance) + normal(
        1, questions, design.question_variance
    )
    return SCALE * (effects + normal(seeds, questions, design.noise_variance))


def _trial(differences: Array, weights: Weights) -> tuple[bool, bool]:
    drawn = _resampled(differences, weights)
    ours = estimate_difference(drawn, _resampled(np.zeros_like(differences), weights), LEVEL)
    low, high = np.quantile(drawn.replicates, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return ours.low <= 0 <= ours.high, bool(low <= 0 <= high)


def _recovery_trial(
    design: Design, recovery: float, weights: Weights, rng: np.random.Generator
) -> bool | None:
    """Whether the interval holds the truth; None where it is undefined."""
    unseeded = _simulate(replace(design, seeds=1, seed_variance=0.0), rng)
    base = np.repeat(unseeded, design.seeds, axis=0)  # the base is not finetuned: no seed effects
    induced = INDUCED + _simulate(design, rng)
    state = (1 - recovery) * INDUCED + _simulate(design, rng)
    one, other, whole = (_resampled(values, weights) for values in (state, base, induced))
    found = estimate_recovery(one, other, whole, LEVEL)
    return None if np.isnan(found.low) else found.low <= recovery <= found.high


def _resampled(values: Array, weights: Weights) -> Resampled:
    """One observation a cell."""
    return resample(Cells(values, np.ones_like(values)), weights)


def main() -> None:
    """Print coverages over sizes and kinds of variance; of recoveries; of sides drawn apart."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--samples", type=int, default=1000)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    print("seeds  questions  variance           interval  percentile")
    for design, name in _designs(seeds=(3, 5)):
        found = coverage(design, options.trials, options.samples, rng)
        print(f"{_row(design, name)}  {found.interval:8.3f}  {found.percentile:10.3f}")
    print("\nseeds  questions  variance           recovery  interval  defined")
    for design, name in _designs(seeds=(3,)):
        for recovery in RECOVERIES:
            part = recovery_coverage(design, recovery, options.trials, options.samples, rng)
            print(
                f"{_row(design, name)}  {recovery:8.1f}  {part.interval:8.3f}  {part.defined:7.3f}"
            )
    print("\nseeds  questions  variance           seeds of the control  interval")
    rng = np.random.default_rng(0)
    for design, name in _designs(seeds=(5,)):
        for control_seeds in (5, 4, 1):
            share = coverage_apart(design, control_seeds, options.trials, options.samples, rng)
            print(f"{_row(design, name)}  {control_seeds:20d}  {share:8.3f}")


def _designs(seeds: tuple[int, ...]) -> Iterator[tuple[Design, str]]:
    for n_seeds in seeds:
        for questions in (8, 48):
            for name, variances in VARIANCES.items():
                yield Design(n_seeds, questions, *variances), name


def _row(design: Design, name: str) -> str:
    return f"{design.seeds:5d}  {design.questions:9d}  {name:17s}"


if __name__ == "__main__":
    main()
