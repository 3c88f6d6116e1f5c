"""The formats of data files: parquet, JSONL, CSV and the questions' YAML, as numbered plain rows.

What a row must hold is not asked here but in `selfsame.data.files`. Whatever is wrong with a file
is noted with its line (parquet: row, the first is 1), never raised on the way.
"""

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from selfsame.data.fields import SHOWN
from selfsame.data.question_yaml import question_rows
from selfsame.data.sources import FORMATS
from selfsame.errors import UserError, printable

BATCH_ROWS = 1000
LONGEST_LINE = 500  # characters of a mistake: names and values come from the file
PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip")
Numbered = tuple[int, Mapping[str, Any]]


class DataFileErrors(UserError):  # noqa: N818 (it holds many)
    """What is wrong in one data file; `lines` holds one line per mistake."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = tuple(printable(_short(line)) for line in lines)
        super().__init__("\n".join(self.lines))


def _short(text: str) -> str:
    """Cut in the middle where it is long."""
    if len(text) <= LONGEST_LINE:
        return text
    return f"{text[: LONGEST_LINE * 2 // 3]} ... {text[-LONGEST_LINE // 4 :]}"


class Mistakes:
    """The mistakes of one file by kind: the first of each, and how many there are."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._first: dict[str, str] = {}
        self._more: Counter[str] = Counter()

    def note(self, line: int, text: str) -> None:
        """Add a mistake; line 0 is the file as a whole. What stands before a colon is its kind."""
        self.count += 1
        kind = text.partition(":")[0]
        if kind in self._first or len(self._first) == SHOWN:
            self._more[kind] += 1
        else:
            self._first[kind] = f"{self.path}{f':{line}' if line else ''}: {text}"

    def raise_any(self) -> None:
        """Raise DataFileErrors where there are mistakes."""
        told = {kind: self._more.pop(kind, 0) for kind in self._first}
        lines = [
            self._first[kind] + (f" (and {more:,} more like it)" if more else "")
            for kind, more in told.items()
        ]
        if others := self._more.total():
            lines.append(f"{self.path}: {others:,} more mistakes")
        if lines:
            raise DataFileErrors(lines)


def rows_of(path: Path, mistakes: Mistakes) -> Iterator[Numbered]:
    """Every row of a file with its line; what cannot be read is noted."""
    reader = _READERS.get(FORMATS.get(path.suffix.lower(), ""))
    if reader is None:
        *others, last = FORMATS
        mend = "; unpack it first" if path.suffix.lower() in PACKED else ""
        mistakes.note(0, f"must be a {', '.join(others)} or {last} file{mend}")
        return
    try:
        yield from reader(path, mistakes)
    except (OSError, UnicodeDecodeError, pa.ArrowException, csv.Error) as error:
        said = " ".join(str(error).split()).removesuffix(".")
        mistakes.note(0, f"cannot be read: {said}; {_mend(error, path)}")


def _mend(error: Exception, path: Path) -> str:
    """What to do about a file that cannot be read."""
    if isinstance(error, UnicodeDecodeError):
        return "save it as UTF-8 text, and unpack it first if it is compressed"
    if isinstance(error, csv.Error):
        return "mend its quotes, or give it as parquet or JSONL"
    if isinstance(error, OSError) and error.errno is not None:
        return "mend its path or the right to read it"
    return f"write or fetch this {path.suffix} file again"


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
