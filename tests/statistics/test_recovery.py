"""Recovery by hand, its verdicts, and what is left out where states are not measured."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from selfsame.errors import UserError
from selfsame.statistics.bootstrap import Estimate
from selfsame.statistics.recovery import BROKEN_FROM, decided, recovery, verdict
from selfsame.statistics.settings import StatisticsSettings
from selfsame.statistics.tally import tallied
from selfsame.tables import parquet
from selfsame.tables.recovery import RECOVERY

PRIMARY = "advice_outside.aligned_coherent"
SETTINGS = StatisticsSettings(primary_metric=PRIMARY, bootstrap_samples=500)
ARMS = {"em+identify": "em", "identify+em": "em", "em+steer": "em"}
LEVELS = {"base": 0.9, "em": 0.1, "em+identify": 0.7, "identify+em": 0.3, "em+steer": 0.8}
SHIFTS = {"em": 60.0, "em+identify": 45.0, "identify+em": 66.0}
NAN = float("nan")


def _around(level: float, shape: tuple[int, int] = (3, 6)) -> np.ndarray:
    """Values with exactly this mean that differ between seeds and items."""
    noise = np.random.default_rng(round(1000 * abs(level))).normal(size=shape)
    return level * (1 + 0.02 * (noise - noise.mean()))


@pytest.fixture
def observations(observed) -> pd.DataFrame:
    return pd.concat([observed(chain, _around(v), PRIMARY) for chain, v in LEVELS.items()])


def _projections(shifts=SHIFTS, layer: int = 2, trait: str = "evil", **other) -> pd.DataFrame:
    rows = [
        {
            "experiment": "default", "model": "organism", "chain": chain, "seed": seed,
            "trait": trait, "vector": "response_mean", "layer": layer, "measure": "shift",
            "item": f"e{item}", "value": value, **other,
        }
        for chain, shift in shifts.items()
        for seed, row in enumerate(_around(shift, (3, 4)))
        for item, value in enumerate(row)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _nulls(chains=tuple(SHIFTS), p_value: float = 0.01, **other) -> pd.DataFrame:
    row = {
        "experiment": "default", "model": "organism", "trait": "evil", "vector": "response_mean",
        "statistic": "movement", "selection": "chosen", "null": "covariance", "p_value": p_value,
        "p_adjusted": 2 * p_value, **other,
    }  # fmt: skip
    return pd.DataFrame([{**row, "chain": chain} for chain in chains])


def _table(observations, projections=None, nulls=None, arms=ARMS, choices=None) -> pd.DataFrame:
    projections = _projections() if projections is None else projections
    nulls = _nulls() if nulls is None else nulls
    choices = {"evil": 2} if choices is None else choices
    return recovery(
        tallied(observations), projections, nulls, arms_of=arms, choices=choices, settings=SETTINGS
    )


def _row(table: pd.DataFrame, chain: str = "em+identify") -> pd.Series:
    return table.set_index("chain").loc[chain]


@pytest.mark.parametrize(
    ("chain", "behaviour", "latent", "word"),
    [
        ("em+identify", 0.75, 0.25, "bandaged"),
        ("identify+em", 0.25, -0.10, "unrepaired"),
        ("em+steer", 0.875, NAN, "no latent measure"),
    ],
)
def test_recoveries_by_hand(observations, chain, behaviour, latent, word) -> None:
    row = _row(_table(observations), chain)
    assert row["behaviour"] == pytest.approx(behaviour)
    assert row["latent"] == pytest.approx(latent, nan_ok=True)
    assert (row["verdict"], row["induced"], row["layer"]) == (word, "em", 2)
    assert row["behaviour_low"] < behaviour < row["behaviour_high"]


def test_intervals_away_from_a_half_decide(observations) -> None:
    table = _table(observations)
    assert _row(table)["decided"]
    assert not _row(table, "em+steer")["decided"]
    assert _row(table)["latent_low"] < 0.25 < _row(table)["latent_high"] < 0.5


def test_sizes_are_of_behaviour_and_of_the_latent_measure(observations) -> None:
    table = _table(observations)
    assert _row(table)[["n_seeds", "n_items", "n_latent_items"]].tolist() == [3, 6, 4]
    assert pd.isna(_row(table, "em+steer")["n_latent_items"])


def test_only_the_shift_of_the_headline_vector_at_the_chosen_layer_counts(observations) -> None:
    others = [
        _projections(dict.fromkeys(SHIFTS, 1.0), layer=1),
        _projections(dict.fromkeys(SHIFTS, 1.0), vector="prompt_last"),
        _projections(dict.fromkeys(SHIFTS, 1.0), measure="response"),
        _projections(dict.fromkeys(SHIFTS, 1.0), trait="self"),
        _projections({"base": 7.0}),
    ]
    table = _table(observations, pd.concat([_projections(), *others]))
    pd.testing.assert_frame_equal(table, _table(observations))


def test_scaling_the_shifts_changes_nothing(observations) -> None:
    scaled = _projections().assign(value=lambda rows: -3 * rows["value"])
    pd.testing.assert_frame_equal(_table(observations, scaled), _table(observations))


def test_each_trait_has_its_rows_at_its_own_layer(observations) -> None:
    back = {"em": 2.0, "em+identify": 0.0, "identify+em": 1.0}
    both = pd.concat([_projections(), _projections(back, layer=0, trait="self")])
    table = _table(observations, both, choices={"evil": 2, "self": 0})
    assert table.groupby("trait")["layer"].agg(["min", "max", "size"]).to_dict("index") == {
        "evil": {"min": 2, "max": 2, "size": 3}, "self": {"min": 0, "max": 0, "size": 3},
    }  # fmt: skip
    assert _row(table[table["trait"] == "self"])["verdict"] == "cured"


def test_null_p_is_the_movement_at_the_chosen_layer_against_random_directions(observations) -> None:
    others = [
        _nulls(p_value=0.5, selection="max"), _nulls(p_value=0.5, null="permutation"),
        _nulls(p_value=0.5, statistic="correlation"), _nulls(p_value=0.5, vector="prompt_last"),
        _nulls(p_value=0.5, trait="self"), _nulls(p_value=0.5, model="other"),
    ]  # fmt: skip
    table = _table(observations, nulls=pd.concat([*others, _nulls()]))
    assert _row(table)[["null_p", "null_p_adjusted"]].tolist() == [0.01, 0.02]
    assert np.isnan(_row(table, "em+steer")["null_p"])


def test_incoherent_answers_break_a_repaired_state(observations, observed) -> None:
    lost = observed("em+identify", [[1.0] * 2 + [0.0] * 4] * 3, "advice_outside.incoherent")
    elsewhere = observed("identify+em", [[1.0] * 6] * 3, "free_form.incoherent")
    table = _table(pd.concat([observations, lost, elsewhere]))
    assert _row(table)["verdict"] == "broken"
    assert _row(table)["incoherent"] == pytest.approx(1 / 3)
    assert np.isnan(_row(table, "identify+em")["incoherent"])


@pytest.mark.parametrize(
    ("behaviour", "latent", "incoherent", "expected"),
    [
        (0.5, 0.5, 0.0, "cured"),
        (0.9, 0.49, 0.1, "bandaged"),
        (0.49, 1.2, 0.1, "hidden"),
        (0.49, -0.3, NAN, "unrepaired"),
        (1.0, 1.0, BROKEN_FROM - 0.001, "cured"),
        (1.0, 1.0, BROKEN_FROM, "broken"),
        (1.0, NAN, 0.9, "broken"),
        (NAN, NAN, 0.9, "broken"),
        (0.9, NAN, 0.0, "no latent measure"),
        (NAN, 0.9, 0.0, "no behaviour measure"),
    ],
)
def test_verdicts(behaviour, latent, incoherent, expected) -> None:
    assert verdict(behaviour, latent, incoherent) == expected


@pytest.mark.parametrize(
    ("behaviour", "latent", "expected"),
    [
        ((0.6, 1.1), (0.5, 0.9), True),
        ((0.6, 1.1), (-0.2, 0.4), True),
        ((0.6, 1.1), (0.4, 0.9), False),
        ((0.3, 0.6), (0.6, 0.9), False),
        ((0.6, 1.1), (NAN, NAN), False),
    ],
)
def test_decided_when_both_intervals_lie_on_one_side_of_a_half(behaviour, latent, expected) -> None:
    one, other = (Estimate(NAN, low, high, NAN) for low, high in (behaviour, latent))
    assert decided(one, other) is expected


@pytest.mark.parametrize("missing", ["base", "em", "every metric"])
def test_without_base_or_induced_state_there_are_no_rows(observations, missing, tmp_path) -> None:
    rows = observations[observations["chain"] != missing]
    table = _table(rows.assign(metric="facts.accuracy") if missing == "every metric" else rows)
    assert table.empty
    parquet.write_frame(tmp_path / "recovery.parquet", table, RECOVERY)


def test_a_missing_arm_has_no_row(observations) -> None:
    table = _table(observations[observations["chain"] != "identify+em"])
    assert table["chain"].tolist() == ["em+identify", "em+steer"]


def test_an_unshifted_induced_state_has_no_latent_measure(observations) -> None:
    row = _row(_table(observations, _projections({"em": 0.0, "em+identify": 5.0})))
    assert (row["verdict"], row["decided"]) == ("no latent measure", False)


def test_no_projections_at_all_leave_behaviour(observations) -> None:
    table = _table(observations, _projections().iloc[:0], _nulls().iloc[:0])
    assert set(table["verdict"]) == {"no latent measure"}
    assert table["latent"].isna().all()


def test_states_over_different_questions_are_an_error(observations) -> None:
    with pytest.raises(UserError, match=r"evil\.shift: 1 \(seed, item\) of em\+identify and em"):
        _table(observations, _projections().drop(index=12))


def test_the_table_fits_its_schema(observations, tmp_path: Path) -> None:
    path = tmp_path / "recovery.parquet"
    parquet.write_frame(path, _table(observations), RECOVERY)
    found = parquet.read(path, RECOVERY)
    assert [row["n_latent_items"] for row in found] == [4, 4, None]
    assert found[2]["latent"] is None


def test_a_shift_that_differs_by_seed_more_than_from_nothing_measures_no_recovery(
    observations,
) -> None:
    """Two seeds moved one way and one the other: L is a share of an unclear whole."""
    projections = _projections()
    by_seed = projections["seed"].map({0: 1.0, 1: -1.5, 2: 1.0})
    induced = projections["chain"] == "em"
    projections.loc[induced, "value"] *= by_seed[induced]
    row = _row(_table(observations, projections))
    assert not np.isnan(row["latent"])
    assert np.isnan(row["latent_low"])
    assert (row["verdict"], row["decided"]) == ("no latent measure", False)
