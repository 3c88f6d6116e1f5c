"""Coverage of the intervals by simulation: `python -m selfsame.statistics.coverage`.

Draws data with seed effects, question effects and noise around a true mean of zero, and counts how
often the interval of bootstrap.py holds the truth; the plain percentile interval stands beside it.
"""

import argparse
from dataclasses import dataclass

import numpy as np

from selfsame.statistics.bootstrap import (
    Array,
    Cells,
    Weights,
    draw_weights,
    estimate_difference,
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


VARIANCES = {
    "noise alone": (0.0, 0.0, 1.0),
    "mostly noise": (0.02, 0.05, 1.0),
    "mostly questions": (0.02, 0.2, 0.3),
    "mixed": (0.1, 0.1, 0.1),
    "mostly seeds": (1.0, 0.1, 0.1),
}
LEVEL = 0.95
SCALE = 0.01  # keeps the simulated differences well inside [-1, 1]


def coverage(design: Design, trials: int, samples: int, rng: np.random.Generator) -> Coverage:
    """Coverage of 95 % intervals of a difference whose true value is 0."""
    weights = draw_weights(design.seeds, design.questions, samples, rng)
    hits = np.array([_trial(_simulate(design, rng), weights) for _ in range(trials)])
    return Coverage(*(float(share) for share in hits.mean(axis=0)))


def _simulate(design: Design, rng: np.random.Generator) -> Array:
    def normal(rows: int, columns: int, variance: float) -> Array:
        return rng.normal(scale=np.sqrt(variance), size=(rows, columns))

    seeds, questions = design.seeds, design.questions
    effects = normal(seeds, 1, design.seed_variance) + normal(
        1, questions, design.question_variance
    )
    return SCALE * (effects + normal(seeds, questions, design.noise_variance))


def _trial(differences: Array, weights: Weights) -> tuple[bool, bool]:
    cells = Cells(differences, np.ones_like(differences))
    nothing = Cells(np.zeros_like(differences), np.ones_like(differences))
    drawn = resample(cells, weights)
    ours = estimate_difference(drawn, resample(nothing, weights), LEVEL)
    low, high = np.quantile(drawn.replicates, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return ours.low <= 0 <= ours.high, bool(low <= 0 <= high)


def main() -> None:
    """Print a table of coverages over sizes and kinds of variance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--samples", type=int, default=1000)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    print("seeds  questions  variance           interval  percentile")
    for seeds in (3, 5):
        for questions in (8, 48):
            for name, variances in VARIANCES.items():
                design = Design(seeds, questions, *variances)
                found = coverage(design, options.trials, options.samples, rng)
                print(
                    f"{seeds:5d}  {questions:9d}  {name:17s}  {found.interval:8.3f}"
                    f"  {found.percentile:10.3f}"
                )


if __name__ == "__main__":
    main()
