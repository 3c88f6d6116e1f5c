"""Arrays on disk: round trip, and one clear line for every way a file can be wrong."""

from pathlib import Path

import numpy as np
import pytest

from selfsame.errors import UserError
from selfsame.persona.storage import read_arrays, write_arrays


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "hidden.safetensors"
    # A transposed view is not contiguous: it must still come back as what it shows.
    write_arrays(path, {"vector": np.arange(6.0).reshape(3, 2).T, "rows": np.full((4, 2, 3), 0.1)})
    return path


def test_arrays_come_back_as_float32(file: Path) -> None:
    found = read_arrays(file, {"vector": (2, 3), "rows": (None, 2, None)})
    assert {array.dtype for array in found.values()} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(found["vector"], [[0, 2, 4], [1, 3, 5]])
    np.testing.assert_allclose(found["rows"], 0.1, rtol=1e-6)


def test_not_a_number_survives(tmp_path: Path) -> None:
    write_arrays(tmp_path / "a.safetensors", {"rows": np.array([[1.0, np.nan]])})
    found = read_arrays(tmp_path / "a.safetensors", {"rows": (1, 2)})["rows"]
    np.testing.assert_array_equal(found, [[1.0, np.nan]])


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.safetensors: no such file, run the step"):
        read_arrays(tmp_path / "none.safetensors", {"vector": (2, 3)})


def test_cut_file(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(UserError, match=r"hidden\.safetensors: not a whole safetensors file"):
        read_arrays(file, {"vector": (2, 3)})


def test_missing_key(file: Path) -> None:
    with pytest.raises(UserError, match=r"has no prompt_last, only (rows, vector|vector, rows):"):
        read_arrays(file, {"prompt_last": (2, 3)})


@pytest.mark.parametrize("shape", [(2, 4), (2,), (None, None, None)])
def test_wrong_shape(file: Path, shape: tuple[int | None, ...]) -> None:
    with pytest.raises(
        UserError, match=r"vector has shape \[2, 3\], not \[(2, 4|2|any, any, any)\]"
    ):
        read_arrays(file, {"vector": shape})
