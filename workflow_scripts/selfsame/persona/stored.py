"""Activations on disk, [rows, blocks, width]: written and read in parts, without torch.

Of a large model they take gigabytes, so that PORTION bytes of them are in memory at a time. The
files are those of `storage`, but are not mapped: all that was looked at of a mapped file would
count as the process's own memory.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import prod
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from selfsame.errors import UserError
from selfsame.persona.storage import Array, Shape, opened

# Bytes that are held at a time, unless a single row or block takes more.
PORTION = 128 * 2**20

# Of safetensors: the bytes that say how long the header is, and the types of numbers in use.
LENGTH_BYTES = 8
TYPES: Mapping[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}

Write = Callable[[str, int, Array], None]


class Rows(Protocol):
    """[rows, blocks, width] in memory or `Stored`, of which a part is taken at a time."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows, blocks, width."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the numbers."""

    def __getitem__(self, part: Any, /) -> Array:
        """What two slices of step 1, of the rows and of the blocks, leave."""


@dataclass(frozen=True)
class Stored:
    """An array [rows, blocks, width] that begins at byte `offset` of a file."""

    path: Path
    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __getitem__(self, part: tuple[slice, slice], /) -> Array:
        """What two slices of step 1, of the rows and of the blocks, leave; nothing else is read.

        Raises UserError where the file has become shorter.
        """
        rows, blocks = (range(*s.indices(n)) for s, n in zip(part, self.shape[:2], strict=True))
        found: Array = np.empty((len(rows), len(blocks), self.shape[2]), self.dtype)
        block_bytes = self.shape[2] * self.dtype.itemsize
        with self.path.open("rb") as file:
            for row, place in zip(rows, found, strict=True):
                file.seek(self.offset + (row * self.shape[1] + blocks.start) * block_bytes)
                if file.readinto(place.data) < place.nbytes:
                    raise UserError(f"{self.path}: shorter than it was, make it again")
        return found


def stored_arrays(path: Path, shapes: Mapping[str, Shape]) -> dict[str, Stored]:
    """The arrays that `shapes` names, [rows, blocks, width], to be read in parts.

    None in a shape stands for any size. Raises UserError as `storage.read_arrays`.
    """
    with opened(path, shapes), path.open("rb") as file:
        length = int.from_bytes(file.read(LENGTH_BYTES), "little")
        header = json.loads(file.read(length))
    begin = LENGTH_BYTES + length
    return {key: _stored(path, begin, key, header[key]) for key in shapes}


def _stored(path: Path, begin: int, key: str, entry: Mapping[str, Any]) -> Stored:
    if entry["dtype"] not in TYPES:
        known = " or ".join(TYPES)
        raise UserError(f"{path}: {key} is of type {entry['dtype']}, not {known}: make it again")
    offset = begin + entry["data_offsets"][0]
    return Stored(path, offset, tuple(entry["shape"]), TYPES[entry["dtype"]])


@contextmanager
def writing_arrays(
    path: Path, shapes: Mapping[str, tuple[int, ...]], dtype: str = "F32"
) -> Iterator[Write]:
    """A function that puts consecutive rows of an array in place: write(name, first row, rows).

    shapes: of the whole arrays, of which every row is to be written; none of them is held.
    Raises ValueError for rows that have no place in their array.
    """
    header, offsets, end = _layout(shapes, dtype)

    def write(name: str, first: int, rows: Array) -> None:
        total, *row = shapes[name]
        if list(rows.shape[1:]) != row or not 0 <= first <= total - len(rows):
            raise ValueError(f"{name}: rows {rows.shape} at {first} of {shapes[name]}")
        file.seek(offsets[name] + first * prod(row) * TYPES[dtype].itemsize)
        file.write(np.ascontiguousarray(rows, TYPES[dtype]).data)

    with path.open("wb") as file:
        file.write(header)
        file.truncate(end)
        yield write


def _layout(shapes: Mapping[str, tuple[int, ...]], dtype: str) -> tuple[bytes, dict[str, int], int]:
    """A file's header with its length before it, where in the file each array begins, its end."""
    sizes = [prod(shape) * TYPES[dtype].itemsize for shape in shapes.values()]
    starts = [0, *accumulate(sizes)]
    entries = {
        name: {"dtype": dtype, "shape": shape, "data_offsets": place}
        for (name, shape), place in zip(shapes.items(), pairwise(starts), strict=True)
    }
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % LENGTH_BYTES)
    header = len(text).to_bytes(LENGTH_BYTES, "little") + text
    begin = [len(header) + start for start in starts]
    return header, dict(zip(shapes, begin, strict=False)), begin[-1]


def places(count: int, held: int) -> Iterator[slice]:
    """Slices that cover `count` things in order, each holding `held` bytes, PORTION at a time."""
    step = max(1, PORTION // held)
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))


def portions(rows: Rows) -> Iterator[tuple[slice, Array]]:
    """Consecutive rows [some, blocks, width], with their places; the last ones are held as well."""
    total, *row = rows.shape
    for place in places(total, 2 * prod(row) * rows.dtype.itemsize):
        yield place, rows[place, :]


def each_block(rows: Rows) -> Iterator[Array]:
    """All rows [rows, width] of one block after the other; the last ones are held as well."""
    total, blocks, width = rows.shape
    for place in places(blocks, 2 * total * width * rows.dtype.itemsize):
        part = rows[:, place]
        yield from (part[:, block] for block in range(part.shape[1]))
