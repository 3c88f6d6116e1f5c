"""Arrays written and read in parts, against the library that reads them whole, and slices."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file
from safetensors.torch import save_file

from selfsame.errors import UserError
from selfsame.persona import stored
from selfsame.persona.stored import each_block, portions, stored_arrays, writing_arrays

SHAPE = (7, 3, 4)
ROWS = np.random.default_rng(0).normal(size=SHAPE)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`before`, of one row, and `rows`, written in an order of their own."""
    path = tmp_path_factory.mktemp("stored") / "a.safetensors"
    with writing_arrays(path, {"before": (1, 5), "rows": SHAPE}, "F64") as write:
        write("rows", 4, ROWS[4:])
        write("before", 0, np.full((1, 5), 0.5))
        write("rows", 0, ROWS[:3])
        write("rows", 3, ROWS[3:4])
    return path


def test_the_library_reads_what_was_written(file: Path) -> None:
    found = load_file(file)
    assert set(found) == {"before", "rows"}
    np.testing.assert_array_equal(found["rows"], ROWS)
    np.testing.assert_array_equal(found["before"], np.full((1, 5), 0.5))


def test_numbers_are_float32_where_nothing_else_is_asked_for(tmp_path: Path) -> None:
    with writing_arrays(tmp_path / "a", {"rows": SHAPE, "none": (0, 3)}) as write:
        # A transposed view is not contiguous: it must still come back as what it shows.
        write("rows", 0, ROWS.T.copy().T)
    found = load_file(tmp_path / "a")
    np.testing.assert_array_equal(found["rows"], ROWS.astype(np.float32))
    assert found["none"].shape == (0, 3)


bounds = st.none() | st.integers(-9, 9)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.tuples(bounds, bounds), st.tuples(bounds, bounds))
def test_a_part_is_what_numpy_slices(file: Path, rows: tuple, blocks: tuple) -> None:
    part = (slice(*rows), slice(*blocks))
    found = stored_arrays(file, {"rows": SHAPE})["rows"][part]
    np.testing.assert_array_equal(found, ROWS[part])


@pytest.mark.parametrize("held", [1, 64, 200, 10_000])
@pytest.mark.parametrize("on_disk", [True, False])
def test_portions_and_blocks_cover_everything_once(
    file: Path, monkeypatch: pytest.MonkeyPatch, held: int, on_disk: bool
) -> None:
    monkeypatch.setattr(stored, "PORTION", held)
    rows = stored_arrays(file, {"rows": SHAPE})["rows"] if on_disk else ROWS
    places, parts = zip(*portions(rows), strict=True)
    assert [n for place in places for n in range(7)[place]] == [*range(7)]
    np.testing.assert_array_equal(np.concatenate(parts), ROWS)
    assert all(part.nbytes <= max(held, ROWS[0].nbytes) for part in parts)
    np.testing.assert_array_equal(np.stack([*each_block(rows)], axis=1), ROWS)


def test_rows_without_a_place_are_refused(tmp_path: Path) -> None:
    with writing_arrays(tmp_path / "a", {"rows": SHAPE}) as write:
        for first, rows in ((6, ROWS[:2]), (-1, ROWS[:1]), (0, ROWS[:, :2])):
            with pytest.raises(ValueError, match="rows: rows"):
                write("rows", first, rows)


def test_a_file_that_was_cut_meanwhile_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    with writing_arrays(path, {"rows": SHAPE}) as write:
        write("rows", 0, ROWS)
    rows = stored_arrays(path, {"rows": SHAPE})["rows"]
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(UserError, match=r"a\.safetensors: shorter than it was"):
        rows[:, :]
    with pytest.raises(UserError, match=r"a\.safetensors: not a whole safetensors file"):
        stored_arrays(path, {"rows": SHAPE})


def test_numbers_of_another_type_are_named(tmp_path: Path) -> None:
    save_file({"rows": torch.zeros(SHAPE, dtype=torch.bfloat16)}, tmp_path / "a")
    with pytest.raises(UserError, match="rows is of type BF16, not F32 or F64"):
        stored_arrays(tmp_path / "a", {"rows": SHAPE})
