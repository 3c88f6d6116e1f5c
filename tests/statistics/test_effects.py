"""Effects against hand numbers, a slow bootstrap written out in loops, and their symmetries."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from selfsame.errors import UserError
from selfsame.statistics.bootstrap import (
    Cells,
    Estimate,
    draw_weights,
    estimate_difference,
    estimate_mean,
    resample,
)
from selfsame.statistics.coverage import Design, coverage
from selfsame.statistics.effects import EFFECT_COLUMNS, contrasts, effects, summary
from selfsame.statistics.settings import Arm, StatisticsSettings
from selfsame.statistics.tally import tallied

SETTINGS = StatisticsSettings(bootstrap_samples=2000)
ARMS = {"base": Arm(), "em": Arm(parent="base")}
CHAINS = {
    "base": Arm(),
    "em": Arm(parent="base"),
    "em+identify": Arm(parent="em", controls=("em+random_labels", "em+flipped_labels")),
    "em+random_labels": Arm(parent="em"),
    "em+flipped_labels": Arm(parent="em"),
}
SHARES = arrays.arrays(float, (3, 6), elements=st.integers(0, 4).map(lambda n: n / 8))


def _values(seed: int, shape: tuple[int, int] = (3, 12)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2, shape).astype(float)


def _difference(values: np.ndarray, control: np.ndarray) -> Estimate:
    """The difference of two (3, 6) arrays of one answer a cell."""
    weights = draw_weights(3, 6, 500, np.random.default_rng(0))
    sides = [resample(Cells(side, np.ones((3, 6))), weights) for side in (values, control)]
    return estimate_difference(*sides, 0.95)


def _against_base(observed, em, base) -> pd.Series:
    table = pd.concat([observed("em", em), observed("base", base)])
    return effects(tallied(table), ARMS, SETTINGS).iloc[0]


def test_contrasts_are_parent_base_and_matched_controls() -> None:
    found = list(contrasts(CHAINS))
    assert found[:2] == [("em", "base", "base"), ("em+identify", "em", "parent")]
    assert ("em+identify", "em+flipped_labels", "matched_control") in found
    assert len(found) == len(set(found)) == 9


def test_chains_that_are_no_arms_are_not_compared() -> None:
    arms = {"em+identify": Arm(parent="em", controls=("em+random_labels",))}
    assert list(contrasts(arms)) == []


def test_estimate_is_the_difference_of_means_by_hand(observed) -> None:
    row = _against_base(observed, [[1, 1, 0, 1], [1, 0, 1, 1]], [[0, 0, 0, 1], [0, 0, 0, 0]])
    assert row["estimate"] == pytest.approx(6 / 8 - 1 / 8)
    assert (row["n_seeds"], row["n_items"]) == (2, 4)
    assert row["ci_low"] < row["estimate"] < row["ci_high"]
    assert (row["contrast"], row["control"]) == ("base", "base")


@settings(max_examples=25, deadline=None)
@given(SHARES)
def test_identical_data_have_no_effect(observed_values) -> None:
    result = _difference(observed_values, observed_values)
    assert (result.value, result.low, result.high, result.p_value) == (0, 0, 0, 1)


@settings(max_examples=25, deadline=None)
@given(SHARES, SHARES, st.sampled_from([0.125, 0.25, 0.5]))
def test_adding_a_constant_moves_estimate_and_interval_by_it(one, other, constant) -> None:
    before, after = _difference(one, other), _difference(one + constant, other)
    assert after.value == pytest.approx(before.value + constant)
    if before.low > -1 and after.high < 1:  # the interval ends at the metric's own range
        assert after.low == pytest.approx(before.low + constant)
        assert after.high == pytest.approx(before.high + constant)


@settings(max_examples=25, deadline=None)
@given(SHARES, SHARES)
def test_swapping_the_sides_swaps_the_sign(one, other) -> None:
    forward, backward = _difference(one, other), _difference(other, one)
    assert forward.value == pytest.approx(-backward.value)
    assert forward.low == pytest.approx(-backward.high)
    assert forward.p_value == pytest.approx(backward.p_value)


def test_order_of_rows_changes_nothing(observed) -> None:
    table = pd.concat([observed("em", _values(1)), observed("base", _values(2))])
    shuffled = table.sample(frac=1, random_state=3)
    pd.testing.assert_frame_equal(
        effects(tallied(table), ARMS, SETTINGS), effects(tallied(shuffled), ARMS, SETTINGS)
    )


def test_p_value_is_where_the_interval_meets_zero(observed) -> None:
    table = pd.concat([observed("em", _values(1)), observed("base", 0.4 * _values(2))])
    row = effects(tallied(table), ARMS, SETTINGS).iloc[0]
    assert 0.001 < row["p_value"] < 0.4
    at_p = SETTINGS.model_copy(update={"confidence": 1 - row["p_value"]})
    edge = effects(tallied(table), ARMS, at_p).iloc[0]
    assert min(abs(edge["ci_low"]), abs(edge["ci_high"])) == pytest.approx(0, abs=1e-9)


def test_p_value_is_never_zero(observed) -> None:
    row = _against_base(observed, np.ones((3, 12)), np.zeros((3, 12)))
    assert row["estimate"] == 1
    assert row["p_value"] == pytest.approx(1 / 2001)


def _slow_replicate(cells: dict, rng: np.random.Generator) -> float:
    """One Rao-Wu replicate of em minus base, drawing seeds and clusters by name, in loops."""
    seeds, clusters = (sorted({key[place] for key in cells}) for place in (1, 2))
    drawn_seeds = list(rng.choice(seeds, len(seeds) - 1))
    drawn_clusters = list(rng.choice(clusters, len(clusters) - 1))
    means = {}
    for chain in ("em", "base"):
        values = []
        for seed in drawn_seeds:
            for cluster in drawn_clusters:
                values += cells[chain, seed, cluster]
        means[chain] = np.mean(values)
    return float(means["em"] - means["base"])


def test_interval_agrees_with_a_slow_bootstrap(observed) -> None:
    shape = (3, 8)
    table = pd.concat([observed("em", _values(4, shape)), observed("base", _values(5, shape))])
    table["cluster"] = table["item"].map(lambda item: f"c{int(item[1:]) // 2}")
    rng = np.random.default_rng(6)
    cells = table.groupby(["chain", "seed", "cluster"])["value"].apply(list).to_dict()
    slow = np.std([_slow_replicate(cells, rng) for _ in range(4000)], ddof=1)
    wide = effects(tallied(table), ARMS, SETTINGS).iloc[0]
    difference = (_values(4, shape) - _values(5, shape)).reshape(3, 4, 2).mean(axis=2)
    centred = difference - difference.mean()
    by_seed = centred.mean(axis=1).var(ddof=1) / 3
    by_cluster = centred.mean(axis=0).var(ddof=1) / 4
    df = (by_seed + by_cluster) ** 2 / (by_seed**2 / 2 + by_cluster**2 / 3)
    half = (wide["ci_high"] - wide["ci_low"]) / 2
    assert half == pytest.approx(stats.t.ppf(0.975, df) * slow, rel=0.06)


def test_one_way_interval_is_the_students_t_interval(observed) -> None:
    """One seed: Rao-Wu reproduces the unbiased variance, hence Student's interval over items."""
    values = np.random.default_rng(7).uniform(0.3, 0.6, (1, 20))
    many = SETTINGS.model_copy(update={"bootstrap_samples": 40_000})
    row = summary(tallied(observed("em", values, "facts.accuracy")), many).iloc[0]
    low, high = stats.ttest_1samp(values[0], 0).confidence_interval(0.95)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((low, high), abs=0.002)
    assert row["n_seeds"] == 1


def test_one_seed_and_one_question_have_no_interval(observed) -> None:
    row = summary(tallied(observed("em", [[1.0]])), SETTINGS).iloc[0]
    assert row["value"] == 1
    assert np.isnan(row["ci_low"])


def test_holm_by_hand(observed) -> None:
    """Within a family: smallest p times the number of tests, the next times one less, monotone."""
    values = {"base": 0.2 * _values(1), "em": 0.3 * _values(2) + 0.2, "em+identify": _values(3)}
    values |= {"em+random_labels": _values(4) * 0.4, "em+flipped_labels": 0.9 * _values(5)}
    table = pd.concat([observed(chain, value) for chain, value in values.items()])
    found = effects(tallied(table), CHAINS, SETTINGS)
    for _, family in found.groupby("contrast"):
        ordered = family.sort_values("p_value")
        factors = np.arange(len(ordered), 0, -1)
        by_hand = np.minimum(np.maximum.accumulate(ordered["p_value"] * factors), 1)
        np.testing.assert_allclose(ordered["p_adjusted"], by_hand)
    assert found.groupby("contrast").size().to_dict() == {
        "base": 4, "matched_control": 2, "parent": 3,
    }  # fmt: skip


def test_benjamini_hochberg_equals_scipy(observed) -> None:
    table = pd.concat([observed(c, _values(i) * (0.2 + 0.15 * i)) for i, c in enumerate(CHAINS)])
    found = effects(tallied(table), CHAINS, SETTINGS.model_copy(update={"correction": "fdr_bh"}))
    for _, family in found.groupby("contrast"):
        by_scipy = stats.false_discovery_control(family["p_value"])
        np.testing.assert_allclose(family["p_adjusted"], by_scipy)


def test_other_metrics_change_no_result(observed) -> None:
    one = pd.concat([observed("em", _values(1)), observed("base", _values(2))])
    two = pd.concat([one, one.assign(metric="facts.accuracy")])
    found = effects(tallied(two), ARMS, SETTINGS)
    found = found[found["metric"] == "advice_outside.harm"].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, effects(tallied(one), ARMS, SETTINGS))


def test_unpaired_question_is_an_error(observed) -> None:
    table = pd.concat([observed("em", _values(1)), observed("base", _values(2)).iloc[1:]])
    with pytest.raises(UserError, match=r"1 \(seed, item\) of em and base have no partner.*q0"):
        effects(tallied(table), ARMS, SETTINGS)


def test_missing_chain_is_an_error(observed) -> None:
    with pytest.raises(UserError, match=r"no advice_outside\.harm of chain base"):
        effects(tallied(observed("em", _values(1))), ARMS, SETTINGS)


def test_side_without_valid_answers_is_null_and_leaves_the_family(observed) -> None:
    metric = "free_form.em_coherent"
    nothing = [[None] * 12] * 3
    values = {"base": _values(1), "em": _values(2), "em+identify": _values(3)}
    values |= {"em+random_labels": nothing, "em+flipped_labels": _values(5)}
    table = pd.concat([observed(chain, value, metric) for chain, value in values.items()])
    found = effects(tallied(table), CHAINS, SETTINGS).set_index(["chain", "control"])
    assert found.loc[("em+identify", "em+random_labels")][["estimate", "p_value"]].isna().all()
    alone = found.loc[("em+identify", "em+flipped_labels")]
    assert alone["p_adjusted"] == alone["p_value"]


def test_unjudged_answers_have_no_effects(observed) -> None:
    nothing = [[None, None]] * 3
    table = pd.concat([observed(chain, nothing, "free_form.answers") for chain in ("em", "base")])
    found = effects(tallied(table), ARMS, SETTINGS)
    assert found.empty
    assert list(found.columns) == EFFECT_COLUMNS


def test_invalid_answers_pair_and_leave_the_valid_mean(observed) -> None:
    em, base = [[1.0, None, 1.0, 0.0]] * 3, [[1.0, 0.0, 0.0, 0.0]] * 3
    table = pd.concat([observed(c, v, "facts.accuracy") for c, v in (("em", em), ("base", base))])
    assert effects(tallied(table), ARMS, SETTINGS).iloc[0]["estimate"] == pytest.approx(
        2 / 3 - 1 / 4
    )


def test_base_measured_once_serves_every_seed(observed) -> None:
    row = _against_base(observed, _values(1), _values(2)[:1])
    assert row["estimate"] == pytest.approx(_values(1).mean() - _values(2)[:1].mean())
    assert row["n_seeds"] == 3


def test_levels_stay_within_the_range_of_a_share(observed) -> None:
    values = np.zeros((3, 12))
    values[0, 0] = 1
    row = summary(tallied(observed("em", values)), SETTINGS).iloc[0]
    assert row["ci_low"] == 0
    assert 0 < row["value"] < row["ci_high"] < 1


def test_null_weights_give_nan_not_a_number_made_up() -> None:
    cells = Cells(np.zeros((3, 4)), np.zeros((3, 4)))
    weights = draw_weights(3, 4, 100, np.random.default_rng(0))
    assert np.isnan(estimate_mean(resample(cells, weights), 0.95).value)


@pytest.mark.parametrize(
    "design", [Design(3, 48, 1.0, 0.1, 0.1), Design(3, 48, 0.1, 0.1, 0.1), Design(5, 8, 0, 0, 1)]
)
def test_coverage_is_near_or_above_nominal(design) -> None:
    found = coverage(design, trials=2000, samples=500, rng=np.random.default_rng(0))
    assert 0.90 <= found.interval <= 1
