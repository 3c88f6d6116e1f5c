"""Differences between sides that share questions but no seeds."""

import numpy as np
import pytest
from scipy import stats

from selfsame.statistics.bootstrap import (
    Cells,
    Estimate,
    Resampled,
    Weights,
    degrees_of_freedom,
    draw_weights,
    estimate_difference,
    estimate_difference_apart,
    resample,
)
from selfsame.statistics.coverage import Design, coverage_apart

SAMPLES = 20_000


def drawn(*sides: np.ndarray) -> tuple[Resampled, ...]:
    """Each side under seed weights of its own and common cluster weights."""
    rng = np.random.default_rng(3)
    weights = [draw_weights(*side.shape, SAMPLES, rng) for side in sides]
    return tuple(
        resample(Cells(side, np.ones_like(side)), Weights(own.seeds, weights[0].clusters))
        for side, own in zip(sides, weights, strict=True)
    )


def apart(one: np.ndarray, other: np.ndarray) -> Estimate:
    return estimate_difference_apart(*drawn(one, other), 0.95)


def noisy(seeds: int, level: float, questions: int = 1) -> np.ndarray:
    return level + np.random.default_rng(seeds).normal(scale=0.05, size=(seeds, questions))


@pytest.mark.parametrize(("seeds", "others"), [(5, 5), (5, 4), (3, 6)])
def test_with_one_question_it_is_welch_s_test(seeds: int, others: int) -> None:
    one, other = noisy(seeds, 0.5), noisy(others, 0.45)
    expected = stats.ttest_ind(one[:, 0], other[:, 0], equal_var=False)
    found, interval = apart(one, other), expected.confidence_interval(0.95)
    assert found.value == pytest.approx(one.mean() - other.mean())
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=0.002)
    assert found.p_value == pytest.approx(expected.pvalue, rel=0.05)
    parts = [(side - side.mean()) / len(side) for side in (one, -other)]
    df = degrees_of_freedom(np.vstack(parts), (seeds, others))
    assert df == pytest.approx(expected.df)


def test_a_single_run_is_the_same_as_one_repeated_for_each_seed() -> None:
    one, base = noisy(5, 0.5, 12), noisy(1, 0.4, 12)
    weights = draw_weights(5, 12, SAMPLES, np.random.default_rng(3))
    sides = [Cells(side, np.ones((5, 12))) for side in (one, np.repeat(base, 5, axis=0))]
    paired = estimate_difference(*(resample(side, weights) for side in sides), 0.95)
    found = apart(one, base)
    assert (found.low, found.high) == pytest.approx((paired.low, paired.high), abs=0.002)


def test_the_other_way_round_the_sign_changes() -> None:
    one, other = drawn(noisy(5, 0.5, 8), noisy(4, 0.4, 8))
    there = estimate_difference_apart(one, other, 0.95)
    back = estimate_difference_apart(other, one, 0.95)
    assert (back.low, back.value, back.high) == pytest.approx(
        (-there.high, -there.value, -there.low)
    )
    assert back.p_value == pytest.approx(there.p_value)


def test_seeds_apart_are_less_certain_than_pairs_that_move_together() -> None:
    common = noisy(5, 0.0, 1) * 4
    one, other = common + noisy(5, 0.5, 8) / 10, common + noisy(5, 0.4, 8) / 10
    weights = draw_weights(5, 8, SAMPLES, np.random.default_rng(3))
    sides = [resample(Cells(side, np.ones((5, 8))), weights) for side in (one, other)]
    paired, found = estimate_difference(*sides, 0.95), apart(one, other)
    assert found.high - found.low > 3 * (paired.high - paired.low)


def test_two_single_runs_need_more_than_one_question() -> None:
    lone = apart(np.array([[0.3]]), np.array([[0.1]]))
    assert lone.value == pytest.approx(0.2)
    assert np.isnan([lone.low, lone.high, lone.p_value]).all()
    assert apart(noisy(1, 0.3, 6), noisy(1, 0.1, 6) / 2).low > 0


@pytest.mark.parametrize("control_seeds", [4, 1])
def test_coverage_is_near_its_level(control_seeds: int) -> None:
    design = Design(5, 8, seed_variance=0.1, question_variance=0.1, noise_variance=0.1)
    rng = np.random.default_rng(0)
    assert 0.92 < coverage_apart(design, control_seeds, 400, 400, rng) <= 1
