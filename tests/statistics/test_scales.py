"""Metrics that are no shares: their range, and the same statistics on them."""

import math

import numpy as np
import pandas as pd
import pytest

from selfsame.errors import UserError
from selfsame.statistics.effects import effects, summary
from selfsame.statistics.scales import SCALES, in_range, scale_of
from selfsame.statistics.scores import scores
from selfsame.statistics.settings import Arm, StatisticsSettings
from selfsame.statistics.tally import tallied

SETTINGS = StatisticsSettings(bootstrap_samples=400)
NATS = "own.nats_per_token"


def test_a_metric_is_a_share_unless_it_is_named() -> None:
    assert scale_of("facts.accuracy").is_share
    assert scale_of("nats_per_token.harm").is_share  # the ending counts, not the probe
    for ending in SCALES:
        assert not scale_of(f"probe.{ending}").is_share


@pytest.mark.parametrize(
    ("metric", "value", "inside"),
    [
        ("facts.accuracy", 0.0, True),
        ("facts.accuracy", 1.0, True),
        ("facts.accuracy", 1.001, False),
        ("facts.accuracy", -0.001, False),
        ("facts.accuracy", math.nan, False),
        (NATS, 0.0, True),
        (NATS, 17.5, True),
        (NATS, -0.1, False),
        (NATS, math.inf, False),
        (NATS, math.nan, False),
    ],
)
def test_ranges(metric: str, value: float, inside: bool) -> None:
    assert in_range(pd.Series([metric]), pd.Series([value])).tolist() == [inside]
    assert in_range(pd.Series([metric], dtype="category"), pd.Series([value])).item() == inside


def test_values_out_of_range_are_refused_by_name(observed) -> None:
    with pytest.raises(UserError, match=r"1 valid rows have no value in 0 up, the first in own\."):
        scores(observed("em", [[2.5, -1.0]], NATS))
    assert scores(observed("em", [[2.5, None]], NATS))["value"].tolist() == [2.5]


def test_ten_times_the_values_give_ten_times_every_figure(observed) -> None:
    """And the same p-values: no interval is cut where a share's would be."""
    rng = np.random.default_rng(4)
    values = {"base": rng.uniform(0.3, 0.5, (3, 12)), "em": rng.uniform(0.4, 0.7, (3, 12))}
    arms = {"base": Arm(), "em": Arm(parent="base")}

    def tables(factor: float) -> tuple[pd.DataFrame, pd.DataFrame]:
        both = [observed(chain, (factor * v).tolist(), NATS) for chain, v in values.items()]
        tally = tallied(pd.concat(both, ignore_index=True))
        return summary(tally, SETTINGS), effects(tally, arms, SETTINGS)

    (levels, found), (small_levels, small) = tables(10.0), tables(1.0)
    for large_table, small_table, columns in (
        (levels, small_levels, ["value", "ci_low", "ci_high"]),
        (found, small, ["estimate", "ci_low", "ci_high"]),
    ):
        assert (10 * small_table[columns]).to_numpy() == pytest.approx(
            large_table[columns].to_numpy()
        )
    assert found["p_value"].tolist() == pytest.approx(small["p_value"].tolist())
    assert (levels["value"] > 1).all()
    assert found["ci_high"].item() > 1


def test_levels_end_at_zero(observed) -> None:
    spread = observed("em", [[0.0, 9.0], [0.0, 0.0], [0.0, 0.1]], NATS)
    row = summary(tallied(spread), SETTINGS).iloc[0]
    assert row["ci_low"] == 0
    assert row["ci_high"] > 9
