"""The formats of data files: parquet, JSONL, CSV and the questions' YAML, as numbered plain rows.

What a row must hold is not asked here but in `selfsame.data.files`. Whatever is wrong with a file
is noted with its line (parquet: row, the first is 1), never raised on the way.
"""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from selfsame.data.fields import SHOWN
from selfsame.data.question_yaml import question_rows
from selfsame.data.sources import FORMATS
from selfsame.errors import UserError

BATCH_ROWS = 1000
Numbered = tuple[int, Mapping[str, Any]]


class DataFileErrors(UserError):  # noqa: N818 (it holds many)
    """What is wrong in one data file; `lines` holds one line per mistake."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = tuple(_printable(line) for line in lines)
        super().__init__("\n".join(self.lines))


def _printable(text: str) -> str:
    """Without line breaks and terminal codes, which names in a file may hold."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


class Mistakes:
    """The first mistakes of one file, and how many there are in all."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self.lines: list[str] = []

    def note(self, line: int, text: str) -> None:
        """Add a mistake; line 0 is the file as a whole."""
        self.count += 1
        if len(self.lines) < SHOWN:
            self.lines.append(f"{self.path}{f':{line}' if line else ''}: {text}")

    def raise_any(self) -> None:
        """Raise DataFileErrors where there are mistakes."""
        if self.count > SHOWN:
            self.lines.append(f"{self.path}: {self.count - SHOWN} more mistakes like these")
        if self.lines:
            raise DataFileErrors(self.lines)


def rows_of(path: Path, mistakes: Mistakes) -> Iterator[Numbered]:
    """Every row of a file with its line; what cannot be read is noted."""
    reader = _READERS.get(FORMATS.get(path.suffix.lower(), ""))
    if reader is None:
        *others, last = FORMATS
        mistakes.note(0, f"must be a {', '.join(others)} or {last} file")
        return
    try:
        yield from reader(path, mistakes)
    except (OSError, UnicodeDecodeError, pa.ArrowException, csv.Error) as error:
        mistakes.note(0, f"cannot be read: {' '.join(str(error).split())}")


def _parquet_rows(path: Path, mistakes: Mistakes) -> Iterator[Numbered]:
    number = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=BATCH_ROWS):
            for row in batch.to_pylist():
                number += 1
                yield number, row


def _jsonl_rows(path: Path, mistakes: Mistakes) -> Iterator[Numbered]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                mistakes.note(number, f"broken JSON: {error}")
                continue
            if isinstance(row, dict):
                yield number, row
            else:
                mistakes.note(number, "must be a JSON object in braces")


def _csv_rows(path: Path, mistakes: Mistakes) -> Iterator[Numbered]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        for row in reader:
            if None in row or None in row.values():
                mistakes.note(reader.line_num, "has another number of columns than the head line")
            else:
                yield reader.line_num, row


def _yaml_rows(path: Path, mistakes: Mistakes) -> Iterator[Numbered]:
    yield from question_rows(path, mistakes.note)


_READERS = {"parquet": _parquet_rows, "jsonl": _jsonl_rows, "csv": _csv_rows, "yaml": _yaml_rows}
