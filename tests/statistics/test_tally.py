"""Tallies against counting row by row, and states read from files against one table in memory."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfsame.errors import UserError
from selfsame.statistics.effects import effects, summary
from selfsame.statistics.gathering import gather
from selfsame.statistics.scores import scores
from selfsame.statistics.settings import Arm, StatisticsSettings
from selfsame.statistics.tally import TOGETHER, Tally, merged, tallied
from selfsame.tables import parquet
from selfsame.tables.observations import OBSERVATIONS

SETTINGS = StatisticsSettings(bootstrap_samples=100)
ARMS = {"base": Arm(), "em": Arm(parent="base"), "em+b": Arm(parent="em", controls=("em+a",))}
ARMS["em+a"] = Arm(parent="em")
METRICS = ("p.harm", "p.accuracy", "who.own_name")
KEYS = ("experiment", "model", "chain", "seed", "metric")
VALUES = st.none() | st.floats(0, 1)


def row(chain: str, seed: int, metric: str, item: int, value: float | None) -> dict[str, Any]:
    return {
        "experiment": "e", "model": "m", "chain": chain, "seed": seed,
        "probe": metric.split(".", maxsplit=1)[0], "item": f"q{item}", "cluster": f"c{item // 2}",
        "sample": 0, "metric": metric, "value": value, "valid": value is not None,
        "answer_class": None if value is None else f"name {value:.1f}",
    }  # fmt: skip


ANY_ROWS = st.lists(
    st.builds(
        row,
        st.sampled_from(list(ARMS)),
        st.integers(0, 2),
        st.sampled_from(METRICS),
        st.integers(0, 5),
        VALUES,
    ),
    min_size=1,
    max_size=40,
)


@st.composite
def experiments(draw: st.DrawFn) -> pd.DataFrame:
    """Every chain, seed and metric on the same items, each as often as drawn."""
    times = draw(st.lists(st.integers(1, 3), min_size=2, max_size=5))
    places = [
        (chain, seed, metric, item)
        for chain in ARMS
        for seed in range(2)
        for metric in METRICS
        for item, count in enumerate(times)
        for _ in range(count)
    ]
    values = draw(st.lists(VALUES, min_size=len(places), max_size=len(places)))
    return frame([row(*place, value) for place, value in zip(places, values, strict=True)])


def frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    made: pd.DataFrame = parquet.table_of(rows, OBSERVATIONS).to_pandas()
    return made


def states(observations: pd.DataFrame) -> list[pd.DataFrame]:
    return [rows for _, rows in observations.groupby(["chain", "seed"], sort=False)]


def as_dictionary(tally: Tally) -> dict[tuple[Any, ...], tuple[float, int, int, int]]:
    cells = tally.cells.astype(dict.fromkeys(("experiment", "model", "chain", "metric"), str))
    names, numbers = [*KEYS, "cluster"], ["total", "counted", "n", "n_valid"]
    keys = cells[names].itertuples(index=False, name=None)
    return dict(zip(keys, cells[numbers].itertuples(index=False, name=None), strict=True))


@settings(max_examples=60, deadline=None)
@given(ANY_ROWS)
def test_cells_are_what_counting_row_by_row_gives(rows: list[dict[str, Any]]) -> None:
    counted: dict[tuple[Any, ...], list[float]] = defaultdict(lambda: [0.0, 0, 0, 0])
    covered = defaultdict(set)
    for one in rows:
        key = tuple(one[name] for name in KEYS)
        cell = counted[(*key, one["cluster"])]
        cell[0] += one["value"] or 0.0
        cell[1] += one["valid"] or one["metric"] != "p.accuracy"  # the others are shares of all
        cell[2] += 1
        cell[3] += one["valid"]
        covered[key].add((one["item"], one["cluster"]))
    tally = tallied(frame(rows))
    assert as_dictionary(tally) == {key: tuple(cell) for key, cell in counted.items()}
    assert tally.questions == covered


@settings(max_examples=30, deadline=None)
@given(ANY_ROWS)
def test_states_read_one_after_the_other_make_the_same_tally(rows: list[dict[str, Any]]) -> None:
    whole = tallied(frame(rows))
    parts = merged(tallied(part) for part in states(frame(rows)))
    assert as_dictionary(parts) == as_dictionary(whole)
    assert parts.questions == whole.questions


def test_many_states_are_joined_as_few_are() -> None:
    rows = [row("em", seed, "p.harm", seed, 0.5) for seed in range(2 * TOGETHER + 3)]
    parts = merged(tallied(part) for part in states(frame(rows)))
    assert as_dictionary(parts) == as_dictionary(tallied(frame(rows)))


@settings(max_examples=15, deadline=None)
@given(experiments())
def test_tables_from_files_are_those_of_one_table_in_memory(
    tmp_path_factory: pytest.TempPathFactory, observations: pd.DataFrame
) -> None:
    folder, files = tmp_path_factory.mktemp("states"), []
    for number, rows in enumerate(states(observations)):
        files.append(folder / f"{number}.parquet")
        parquet.write_frame(files[-1], rows, OBSERVATIONS)
    found, tally = gather(files, folder / "all.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(folder / "all.parquet"), observations)
    pd.testing.assert_frame_equal(found, scores(observations), check_exact=True)
    whole = tallied(observations)
    pd.testing.assert_frame_equal(summary(tally, SETTINGS), summary(whole, SETTINGS))
    compared = effects(tally, ARMS, SETTINGS)
    pd.testing.assert_frame_equal(compared, effects(whole, ARMS, SETTINGS), check_exact=True)


def test_two_files_of_one_state_are_refused(tmp_path: Path) -> None:
    for name in ("one", "other"):
        rows = [row("em", 0, "p.harm", 0, 1.0)]
        parquet.write(tmp_path / f"{name}.parquet", rows, OBSERVATIONS)
    with pytest.raises(UserError, match=r"two files hold p\.harm of em, seed 0"):
        gather(sorted(tmp_path.glob("*.parquet")), tmp_path / "all")


def test_an_experiment_takes_as_much_room_as_its_cells(tmp_path: Path) -> None:
    """A thousand answers to one question are one cell of a few bytes."""
    rows = [row("em", 0, "p.harm", 0, 1.0)] * 1000
    parquet.write(tmp_path / "o.parquet", rows, OBSERVATIONS)
    found, tally = gather([tmp_path / "o.parquet"], tmp_path / "all.parquet")
    assert (len(tally.cells), found["n"].tolist()) == (1, [1000])
    assert pq.read_metadata(tmp_path / "all.parquet").num_rows == 1000
