"""Half doses by hand, against a slow bootstrap, and where nothing crosses."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from selfsame.errors import UserError
from selfsame.statistics.relapse import first_crossing, half_doses, relapse_levels
from selfsame.statistics.settings import StatisticsSettings
from selfsame.tables import parquet
from selfsame.tables.relapse import RELAPSE, RELAPSE_DOSES

METRIC = "advice_outside.aligned_coherent"
SETTINGS = StatisticsSettings(bootstrap_samples=2000)
DOSES = [0, 5, 10, 20, 40]
CURVES = {  # the midpoint of base and em at dose 0 is 0.5
    "base": [0.9, 0.8, 0.6, 0.3, 0.1],
    "em": [0.1, 0.1, 0.1, 0.1, 0.1],
    "em+identify": [0.8, 0.2, 0.2, 0.1, 0.1],
    "em+correct_advice": [0.95, 0.9, 0.9, 0.8, 0.7],
    "identify+em": [0.7, 0.4, 0.8, 0.2, 0.2],
}
BY_HAND = {"base": 10 + 10 / 3, "em+identify": 2.5, "identify+em": 5 * 2 / 3}


def _curve(observed, chain: str, levels, spread: float = 0.05) -> pd.DataFrame:
    """Three seeds and six items, with exactly these means."""
    parts = []
    for dose, level in zip(DOSES, levels, strict=False):
        noise = np.random.default_rng([dose, len(chain)]).uniform(-spread, spread, (3, 6))
        parts.append(observed(chain, level + noise - noise.mean(), METRIC).assign(dose=dose))
    return pd.concat(parts)


@pytest.fixture
def observations(observed) -> pd.DataFrame:
    return pd.concat([_curve(observed, chain, levels) for chain, levels in CURVES.items()])


def _half_doses(observations: pd.DataFrame) -> pd.DataFrame:
    return half_doses(observations, METRIC, "em", SETTINGS).set_index("chain")


@pytest.mark.parametrize("chain", BY_HAND)
def test_half_dose_by_hand(observations, chain) -> None:
    row = _half_doses(observations).loc[chain]
    assert row["half_dose"] == pytest.approx(BY_HAND[chain])
    assert row["ci_low"] < row["half_dose"] < row["ci_high"]
    assert not row["already"]
    assert not row["censored"]
    assert row[["n_seeds", "n_items"]].tolist() == [3, 6]


def test_a_state_at_the_midpoint_from_the_start_is_already_there(observations) -> None:
    row = _half_doses(observations).loc["em"]
    assert row[["half_dose", "ci_low", "ci_high"]].tolist() == [0, 0, 0]
    assert row["already"]
    assert not row["censored"]


def test_a_state_that_never_comes_back_is_censored(observations) -> None:
    row = _half_doses(observations).loc["em+correct_advice"]
    assert np.isnan(row["half_dose"])
    assert (row["ci_low"], row["censored"], row["already"]) == (40, True, False)
    assert np.isnan(row["ci_high"])


def test_a_metric_that_rises_crosses_upwards(observations) -> None:
    harm = observations.assign(value=1 - observations["value"])
    pd.testing.assert_frame_equal(_half_doses(harm), _half_doses(observations))


@pytest.mark.parametrize(
    ("progress", "crossing"),
    [
        ([-1, -1, 1], 7.5),
        ([-1, 0, 1], 5),
        ([0, -1, -1], 0),
        ([-1, 1, -1], 2.5),
        ([-3, 1, 1], 3.75),
        ([-1, -1, -0.1], np.inf),
        ([np.nan, 1, 1], np.nan),
    ],
)
def test_first_crossing(progress, crossing) -> None:
    found = first_crossing(np.array([0.0, 5.0, 10.0]), np.array([progress], dtype=float))
    assert found == pytest.approx([crossing], nan_ok=True)


def _slow_crossing(levels: dict[str, list[float]], chain: str) -> float:
    """Walk along the curve segment by segment, downwards to the midpoint."""
    midpoint = (levels["base"][0] + levels["em"][0]) / 2
    curve = levels[chain]
    if curve[0] <= midpoint:
        return 0.0
    for k in range(1, len(curve)):
        if curve[k] <= midpoint:
            return float(np.interp(-midpoint, [-curve[k - 1], -curve[k]], DOSES[k - 1 : k + 1]))
    return float("inf")


def test_interval_agrees_with_a_slow_bootstrap(observed) -> None:
    noisy = pd.concat(
        [_curve(observed, c, CURVES[c], spread) for c, spread in (("base", 0.09), ("em", 0.05))]
    )
    arrays = {
        chain: [rows[rows["dose"] == dose]["value"].to_numpy().reshape(3, 6) for dose in DOSES]
        for chain, rows in noisy.groupby("chain")
    }
    rng, crossings = np.random.default_rng(1), []
    for _ in range(3000):
        places = np.ix_(rng.choice(3, 2), rng.choice(6, 5))
        levels = {c: [values[places].mean() for values in curve] for c, curve in arrays.items()}
        crossings.append(_slow_crossing(levels, "base"))
    row = _half_doses(noisy).loc["base"]
    low, high = np.quantile(crossings, [0.025, 0.975])
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((low, high), abs=0.15)


def test_an_upper_end_that_some_replicates_never_reach_is_null(observed, observations) -> None:
    late = _curve(observed, "late", [0.9, 0.9, 0.9, 0.9], spread=0.01)
    last = observed("late", [[0.2] * 6, [0.4] * 6, [0.8] * 6], METRIC).assign(dose=40)
    row = _half_doses(pd.concat([observations, late, last])).loc["late"]
    assert 20 < row["ci_low"] < row["half_dose"] < 40
    assert np.isnan(row["ci_high"])
    assert not row["censored"]


def test_without_a_clear_induced_change_there_is_no_interval(observed) -> None:
    unmoved = {"base": [0.52, 0.4], "em": [0.5, 0.5]}
    table = _half_doses(pd.concat([_curve(observed, c, v, 0.4) for c, v in unmoved.items()]))
    assert table.loc["base", "half_dose"] == pytest.approx(5 * 0.01 / 0.12)
    assert table[["ci_low", "ci_high"]].isna().all(axis=None)


def test_without_any_induced_change_there_is_no_half_dose(observed) -> None:
    table = _half_doses(pd.concat([_curve(observed, c, [0.5, 0.4], 0) for c in ("base", "em")]))
    assert table[["half_dose", "ci_low", "ci_high"]].isna().all(axis=None)
    assert not table[["already", "censored"]].any(axis=None)


def test_a_base_measured_once_serves_every_seed(observations) -> None:
    first = (observations["chain"] == "base") & (observations["dose"] == 0)
    base = observations[first & (observations["seed"] == 0)]
    once, thrice = (
        pd.concat([observations[~first], *(base.assign(seed=seed) for seed in seeds)])
        for seeds in ([0], [0, 1, 2])
    )
    pd.testing.assert_frame_equal(_half_doses(once), _half_doses(thrice))


@pytest.mark.parametrize("missing", ["base", "em"])
def test_without_base_or_induced_state_there_are_no_rows(observations, missing, tmp_path) -> None:
    table = half_doses(observations[observations["chain"] != missing], METRIC, "em", SETTINGS)
    assert table.empty
    parquet.write_frame(tmp_path / "doses.parquet", table, RELAPSE_DOSES)


def test_a_chain_without_dose_0_is_an_error(observations) -> None:
    late = observations[(observations["chain"] != "identify+em") | (observations["dose"] > 0)]
    with pytest.raises(UserError, match=r"relapse of identify\+em has no dose 0"):
        _half_doses(late)


def test_a_dose_over_other_questions_is_an_error(observations) -> None:
    lost = (observations["chain"] == "em") & (observations["dose"] == 40)
    lost &= (observations["seed"] == 2) & (observations["item"] == "q3")
    with pytest.raises(UserError, match=r"1 \(seed, item\) of em@40 and base.*seed 2, item q3"):
        _half_doses(observations[~lost])


def test_levels_are_means_per_chain_seed_and_dose(observed, tmp_path: Path) -> None:
    table = pd.concat(
        [
            observed("em", [[1.0, None], [0.0, 1.0]], METRIC).assign(dose=0),
            observed("em", [[0.0, 0.0], [1.0, 1.0]], METRIC).assign(dose=5),
            observed("em", [[1.0, 1.0], [1.0, 1.0]], "facts.accuracy").assign(dose=5),
        ]
    )
    found = relapse_levels(table, METRIC)
    assert found[["seed", "dose", "value", "n", "n_invalid"]].to_numpy().tolist() == [
        [0, 0, 0.5, 2, 1], [0, 5, 0.0, 2, 0], [1, 0, 0.5, 2, 0], [1, 5, 1.0, 2, 0],
    ]  # fmt: skip
    parquet.write_frame(tmp_path / "relapse.parquet", found, RELAPSE)


def test_no_observations_give_empty_tables(observations) -> None:
    nothing = observations.iloc[:0]
    assert relapse_levels(nothing, METRIC).columns.tolist() == RELAPSE.names
    assert half_doses(nothing, METRIC, "em", SETTINGS).empty
