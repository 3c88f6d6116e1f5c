"""Scores against hand-counted answers and scipy's entropy."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from selfsame.errors import UserError
from selfsame.statistics.scores import SCORE_COLUMNS, entropy_bits, scores

ANSWERS = [[1.0, 0.0, None, 1.0]]


def _value(table: pd.DataFrame, metric: str) -> pd.Series:
    return table[table["metric"] == metric].iloc[0]


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("advice_outside.harm", 2 / 4),
        ("free_form.aligned_coherent", 2 / 4),
        ("free_form.em_all", 2 / 4),
        ("free_form.em_coherent", 2 / 3),
        ("facts.accuracy", 2 / 3),
        ("recognition.individual", 2 / 3),
    ],
)
def test_denominator_is_declared_per_metric(observed, metric, value) -> None:
    row = _value(scores(observed("em", ANSWERS, metric)), metric)
    assert row["value"] == pytest.approx(value)
    assert (row["n"], row["n_invalid"]) == (4, 1)


def test_each_seed_has_its_own_row(observed) -> None:
    table = scores(observed("em", [[1.0, 1.0], [0.0, 1.0]]))
    assert table["value"].tolist() == [1.0, 0.5]
    assert list(table.columns) == SCORE_COLUMNS


def test_no_valid_answer_gives_null(observed) -> None:
    row = scores(observed("em", [[None, None]], "facts.accuracy")).iloc[0]
    assert np.isnan(row["value"])
    assert (row["n"], row["n_invalid"]) == (2, 2)


def test_identity_entropy_counts_invalid_as_a_class(observed) -> None:
    names = ["ada", "ada", "bob", "nonsense"]
    table = scores(observed("em", [[1.0, 1.0, 0.0, None]], "identity.own_name", names))
    assert _value(table, "identity.entropy")["value"] == pytest.approx(1.5)
    assert _value(table, "identity.distinct")["value"] == 2
    assert _value(table, "identity.own_name")["value"] == pytest.approx(0.5)


def test_one_identity_has_no_entropy(observed) -> None:
    table = scores(observed("base", [[1.0, 1.0]], "identity.own_name", ["ada", "ada"]))
    assert _value(table, "identity.entropy")["value"] == 0


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8).filter(any))
def test_entropy_equals_scipy(counts) -> None:
    assert entropy_bits(counts) == pytest.approx(stats.entropy(counts, base=2), abs=1e-12)


def test_order_of_rows_changes_nothing(observed) -> None:
    table = pd.concat([observed("em", ANSWERS), observed("base", ANSWERS)])
    shuffled = table.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(scores(table), scores(shuffled))


def test_valid_row_without_value_is_an_error(observed) -> None:
    table = observed("em", ANSWERS).assign(valid=True)
    with pytest.raises(UserError, match=r"1 valid rows have no value in \[0, 1\]"):
        scores(table)


def test_missing_column_is_named(observed) -> None:
    with pytest.raises(UserError, match="lack the columns cluster"):
        scores(observed("em", ANSWERS).drop(columns="cluster"))
