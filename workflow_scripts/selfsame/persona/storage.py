"""Hidden states and vectors on disk: float32 arrays in safetensors files, without torch.

Row l of the second to last axis, [..., blocks, width], is the residual stream that leaves block l.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from selfsame.errors import UserError

VECTORS, HIDDEN, CHOICE = "vectors.safetensors", "hidden.safetensors", "choice.json"
# What is stored in them: the two read-out positions, and in VECTORS the random control.
RESPONSE_MEAN, PROMPT_LAST = KINDS = ("response_mean", "prompt_last")
RANDOM = "random"

Array = NDArray[np.floating[Any]]
Shape = tuple[int | None, ...]


def write_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write named arrays as float32."""
    save_file({name: np.ascontiguousarray(a, np.float32) for name, a in arrays.items()}, path)


def read_arrays(path: Path, shapes: Mapping[str, Shape]) -> dict[str, Array]:
    """The arrays that `shapes` names, float32; None in a shape stands for any size.

    Raises UserError for a file that is missing or unreadable, a missing key or another shape.
    """
    with opened(path, shapes) as file:
        return {key: file.get_tensor(key).astype(np.float32, copy=False) for key in shapes}


@contextmanager
def opened(path: Path, shapes: Mapping[str, Shape]) -> Iterator[Any]:
    """A safetensors file that holds arrays of these shapes; raises UserError as `read_arrays`."""
    try:
        with safe_open(path, "numpy") as file:
            for key, shape in shapes.items():
                _check(file, path, key, shape)
            yield file
    except FileNotFoundError:
        raise UserError(f"{path}: no such file, run the step that makes it") from None
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: not a whole safetensors file ({error}), make it again") from None


def _check(file: Any, path: Path, key: str, shape: Shape) -> None:
    if key not in file.keys():  # noqa: SIM118 - the file is no dictionary
        raise UserError(f"{path}: has no {key}, only {', '.join(file.keys())}: make it again")
    found = file.get_slice(key).get_shape()
    fits = len(found) == len(shape) and all(
        size in (None, own) for size, own in zip(shape, found, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise UserError(f"{path}: {key} has shape {found}, not [{wanted}]: make it again")
