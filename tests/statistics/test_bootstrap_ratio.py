"""Recovery ratios against hand numbers, a slow simulation of the ratio, and their symmetries."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from selfsame.statistics.bootstrap import (
    Cells,
    Estimate,
    Resampled,
    degrees_of_freedom,
    draw_weights,
    estimate_difference,
    estimate_recovery,
    resample,
)
from selfsame.statistics.coverage import Design, recovery_coverage

SHAPE = (3, 8)
LEVELS = arrays.arrays(float, SHAPE, elements=st.integers(0, 4).map(lambda n: n / 16))


def _drawn(*values: np.ndarray, samples: int = 2000) -> list[Resampled]:
    weights = draw_weights(*values[0].shape, samples, np.random.default_rng(0))
    return [resample(Cells(side, np.ones_like(side)), weights) for side in values]


def _recovery(state: np.ndarray, base: np.ndarray, induced: np.ndarray) -> Estimate:
    return estimate_recovery(*_drawn(state, base, induced), confidence=0.95)


def _noisy(level: float, seed: int, scale: float = 0.05) -> np.ndarray:
    return level + np.random.default_rng(seed).normal(scale=scale, size=SHAPE)


@pytest.mark.parametrize(("level", "recovery"), [(0.2, 0), (0.6, 0.5), (1.0, 1), (0.1, -0.125)])
def test_recovery_by_hand(level, recovery) -> None:
    base, induced = np.full(SHAPE, 1.0), np.full(SHAPE, 0.2)
    found = _recovery(np.full(SHAPE, level), base, induced)
    assert (found.value, found.low, found.high) == pytest.approx((recovery,) * 3)
    assert np.isnan(found.p_value)


def test_recovery_beyond_the_base_is_above_one() -> None:
    found = _recovery(_noisy(-30, 1), np.zeros(SHAPE), _noisy(60, 2))
    assert found.value == pytest.approx(1.5, abs=0.01)
    assert 1 < found.low < found.value < found.high


@settings(max_examples=25, deadline=None)
@given(LEVELS, LEVELS, LEVELS, st.sampled_from([-4.0, 0.5, 32.0]), st.sampled_from([-1.0, 2.0]))
def test_affine_levels_leave_the_recovery_unchanged(state, base, induced, scale, move) -> None:
    before = _recovery(state, base, induced + 1)
    after = _recovery(*(scale * levels + move for levels in (state, base, induced + 1)))
    assert (after.value, after.low, after.high) == pytest.approx(
        (before.value, before.low, before.high), abs=1e-9, nan_ok=True
    )


def test_the_three_states_are_the_reference_points() -> None:
    base, induced = _noisy(0.9, 1), _noisy(0.2, 2)
    as_induced, as_base = _recovery(induced, base, induced), _recovery(base, base, induced)
    assert (as_induced.value, as_induced.low, as_induced.high) == pytest.approx((0, 0, 0))
    assert (as_base.value, as_base.low, as_base.high) == pytest.approx((1, 1, 1))


def test_induced_and_repaired_state_without_noise_give_the_interval_of_a_mean() -> None:
    """Base 0 and induced 1 are constants: R is 1 - m, and so is its interval."""
    state, zeros, ones = _noisy(0.4, 3), np.zeros(SHAPE), np.ones(SHAPE)
    found = _recovery(state, zeros, ones)
    mean = estimate_difference(*_drawn(state, zeros), confidence=0.95)
    assert (found.low, found.high) == pytest.approx((1 - mean.high, 1 - mean.low))


def test_interval_agrees_with_a_slow_simulation_of_the_ratio() -> None:
    """Seeds and questions drawn by name, n - 1 of n, and the ratio itself computed each time."""
    state, base, induced = _noisy(0.5, 4), _noisy(0.9, 5), _noisy(0.1, 6)
    rng, ratios = np.random.default_rng(7), []
    for _ in range(6000):
        rows, columns = rng.choice(3, 2), rng.choice(8, 7)
        s, b, e = (side[np.ix_(rows, columns)].mean() for side in (state, base, induced))
        ratios.append(1 - (s - b) / (e - b))
    found = _recovery(state, base, induced)
    gap = induced.mean() - base.mean()
    ratio = (state.mean() - base.mean()) / gap
    residual = (state - base - ratio * (induced - base)) / gap
    by_seed = residual.mean(axis=1).var(ddof=1) / 3
    by_question = residual.mean(axis=0).var(ddof=1) / 8
    df = (by_seed + by_question) ** 2 / (by_seed**2 / 2 + by_question**2 / 7)
    half = stats.t.ppf(0.975, df) * np.std(ratios, ddof=1)
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.06)
    assert (found.high + found.low) / 2 == pytest.approx(found.value)


def test_three_seeds_that_make_all_the_variance_get_two_degrees_of_freedom() -> None:
    rng = np.random.default_rng(8)
    state, induced = (np.tile(rng.normal(m, 0.03, (3, 1)), 8) for m in (0.5, 0.1))
    base = np.full(SHAPE, 0.9)
    drawn = _drawn(state, base, induced)
    found = estimate_recovery(*drawn, confidence=0.95)
    error = np.std(1 - (drawn[0].replicates - 0.9) / (drawn[2].replicates - 0.9), ddof=1)
    assert degrees_of_freedom(drawn[0].influence) == pytest.approx(2)
    assert (found.high - found.low) / 2 == pytest.approx(stats.t.ppf(0.975, 2) * error, rel=0.05)


def test_more_questions_narrow_the_interval() -> None:
    def width(questions: int) -> float:
        rng = np.random.default_rng(9)
        sides = [m + rng.normal(scale=0.1, size=(3, questions)) for m in (0.5, 0.9, 0.1)]
        found = estimate_recovery(*_drawn(*sides), confidence=0.95)
        return found.high - found.low

    assert width(80) < width(8) / 2


def test_a_recovery_from_no_change_is_undefined() -> None:
    found = _recovery(_noisy(0.5, 1), _noisy(0.9, 2), _noisy(0.9, 2))
    assert np.isnan([found.value, found.low, found.high]).all()


def test_a_recovery_from_an_unclear_change_has_a_value_but_no_interval() -> None:
    base, induced = _noisy(0.5, 1, scale=0.4), _noisy(0.5, 2, scale=0.4)
    found = _recovery(_noisy(0.5, 3), base, induced)
    assert found.value == pytest.approx(
        1 - (_noisy(0.5, 3) - base).mean() / (induced - base).mean()
    )
    assert np.isnan([found.low, found.high]).all()


def test_one_seed_and_one_question_have_a_value_but_no_interval() -> None:
    found = _recovery(np.array([[0.5]]), np.array([[1.0]]), np.array([[0.0]]))
    assert found.value == 0.5
    assert np.isnan(found.low)


@pytest.mark.parametrize("recovery", [0.0, 1.0])
def test_coverage_is_near_or_above_nominal(recovery) -> None:
    design = Design(3, 48, 1.0, 0.1, 0.1)
    found = recovery_coverage(design, recovery, 1000, 500, np.random.default_rng(0))
    assert 0.90 <= found.interval <= 1
    assert found.defined > 0.9
