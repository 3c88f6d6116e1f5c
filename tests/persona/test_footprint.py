"""Peak memory of what is done with activations on disk, against the bound that is reserved."""

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from selfsame.persona import stored
from selfsame.persona.extraction import random_control
from selfsame.persona.footprint import LIBRARIES_MB, PORTIONS_MB, Amount, vectors_mb
from selfsame.persona.nulls import Extraction, States, null_table
from selfsame.persona.projections import Readout, project
from selfsame.persona.settings import NullSettings
from selfsame.persona.stored import Stored, stored_arrays, writing_arrays
from selfsame.persona.vectors import kept_rows, persona_vectors, vector_table

WIDTH = 1024
KEYS = {"experiment": "x", "model": "m", "trait": "evil", "vector": "prompt_last"}


@pytest.fixture(autouse=True)
def _one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row or block at a time: what is held of a small file is then as of a large one."""
    monkeypatch.setattr(stored, "PORTION", 1)


def peak_mb(run: Callable[[], object]) -> float:
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def rows_on_disk(path: Path, count: int, blocks: int) -> Stored:
    shape, rng = (count, blocks, WIDTH), np.random.default_rng(count)
    with writing_arrays(path, {"rows": shape}) as write:
        for row in range(count):
            write("rows", row, rng.standard_normal((1, *shape[1:])))
    return stored_arrays(path, {"rows": shape})["rows"]


def judged(count: int) -> pd.DataFrame:
    places = np.arange(count)
    sides, items = np.where(places % 2, "negative", "positive"), (places // 2 % 10).astype(str)
    return pd.DataFrame({**KEYS, "side": sides, "item": items, "kept": True})


def nulls_of(folder: Path, amount: Amount, blocks: int) -> Callable[[], object]:
    rows = rows_on_disk(folder / "rows", amount.rollouts, blocks)
    shifts = rows_on_disk(folder / "shifts", amount.states, blocks)
    half, vector = amount.states // 2, np.ones((blocks, WIDTH))
    extraction = Extraction(
        vector, kept_rows({"v": rows}, judged(amount.rollouts), "v"), vector[None]
    )
    states = States(
        [*["em"] * half, *["em+identify"] * half], [*range(half)] * 2,
        shifts, np.arange(2.0 * half), {"em+identify": "em"},
    )  # fmt: skip
    settings = NullSettings(draws=amount.draws)
    return lambda: null_table(KEYS, extraction, states, layer=0, settings=settings, seed=0)


AMOUNTS = [
    Amount(traits=2, rollouts=400, states=10, draws=20),
    Amount(traits=2, rollouts=1200, states=10, draws=20),
    Amount(traits=2, rollouts=60, states=400, draws=20),
    Amount(traits=2, rollouts=60, states=10, draws=400),
    Amount(traits=2, rollouts=300, states=300, draws=300),
]


@pytest.mark.parametrize("amount", AMOUNTS)
def test_the_nulls_stay_within_what_is_reserved(tmp_path: Path, amount: Amount) -> None:
    reserved = vectors_mb(2, WIDTH, amount) - LIBRARIES_MB - PORTIONS_MB
    assert 0.5 * reserved < peak_mb(nulls_of(tmp_path, amount, blocks=2)) < reserved


def test_more_blocks_do_not_take_more_memory(tmp_path: Path) -> None:
    few, many = (peak_mb(nulls_of(tmp_path, AMOUNTS[0], blocks)) for blocks in (2, 8))
    assert many < 1.05 * few


def extractions(rows: Stored) -> Iterator[Callable[[], object]]:
    table, vector = judged(rows.shape[0]), np.ones(rows.shape[1:])
    yield lambda: persona_vectors({"v": rows}, table)
    yield lambda: vector_table(table, {"v": rows}, {"v": vector}, splits=2)
    yield lambda: random_control(kept_rows({"v": rows}, table, "v"), vector, 0)


def test_vectors_and_control_stay_within_what_is_reserved(tmp_path: Path) -> None:
    rows = rows_on_disk(tmp_path / "rows", 200, blocks=8)
    amount = Amount(traits=1, rollouts=200, states=0, draws=0)
    reserved = vectors_mb(8, WIDTH, amount) - LIBRARIES_MB - PORTIONS_MB
    for run in extractions(rows):
        assert peak_mb(run) < min(reserved, 0.9 * rows_mb(rows))


def rows_mb(rows: Stored) -> float:
    """What the rows would take, all at once in float64."""
    return float(np.prod(rows.shape)) * 8 / 1e6


def test_a_state_takes_the_memory_of_a_portion(tmp_path: Path) -> None:
    """However many its answers and questions are."""
    vectors, peaks = {"response_mean": np.ones((4, WIDTH))}, []
    for count in (20, 200):
        rows = rows_on_disk(tmp_path / "rows", count, blocks=4)
        answers = pd.DataFrame(
            {**KEYS, "chain": "em", "seed": 0, "n_tokens": 3, "item": np.arange(count).astype(str)}
        )
        readout = Readout(rows, rows)
        peaks.append(peak_mb(lambda a=answers, r=readout: project(a, r, r, vectors)))
    assert peaks[1] < peaks[0] + 0.5
    assert peaks[1] < 0.3 * rows_mb(rows)
