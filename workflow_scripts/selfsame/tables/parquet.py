"""How tables are read and written, under the schemas of this package's other modules."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    import pandas as pd

# Rows that are read or written at a time: large tables need little memory, small pieces much time.
ROW_GROUP = 100_000

Filters = Sequence[Any] | None


def table_of(rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Rows under an explicit schema. Raises pyarrow.ArrowInvalid on a value that misfits."""
    return pa.Table.from_pylist(list(rows), schema=schema)


def write(path: Path, rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> None:
    """Write the table of rows, see `table_of`."""
    pq.write_table(table_of(rows, schema), path)


def table_of_frame(frame: "pd.DataFrame", schema: pa.Schema) -> pa.Table:
    """A data frame under an explicit schema; columns it does not name are left out."""
    return pa.Table.from_pandas(frame[schema.names], schema, preserve_index=False)


def write_frame(path: Path, frame: "pd.DataFrame", schema: pa.Schema) -> None:
    """Write a data frame, see `table_of_frame`."""
    pq.write_table(table_of_frame(frame, schema), path)


@contextmanager
def writing(path: Path, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
    """A function that appends a table to a file; no more than a row group is held in memory."""
    held: list[pa.Table] = []

    def append(table: pa.Table) -> None:
        held.append(table.select(schema.names).cast(schema))
        if sum(map(len, held)) >= ROW_GROUP:
            flush()

    def flush() -> None:
        if held:
            file.write_table(pa.concat_tables(held))
            held.clear()

    with pq.ParquetWriter(path, schema) as file:
        yield append
        flush()


def read_table(path: Path, schema: pa.Schema, filters: Filters = None) -> pa.Table:
    """A parquet table, its columns checked against `schema`; filters: which rows, as pyarrow's.

    Rows that are not wanted are passed over piece by piece: they are never in memory together.
    """
    if filters is None:
        return pq.read_table(path).select(schema.names).cast(schema)
    wanted = pq.filters_to_expression(filters)
    with pq.ParquetFile(path) as file:
        pieces = (pa.table(piece).filter(wanted) for piece in file.iter_batches(ROW_GROUP))
        kept = [piece.select(schema.names).cast(schema) for piece in pieces]
    return pa.concat_tables([schema.empty_table(), *kept])


def read(
    path: Path, schema: pa.Schema | None = None, filters: Filters = None
) -> list[dict[str, Any]]:
    """The rows of a parquet table as dictionaries, its columns checked where a schema is given."""
    checked = schema or pq.read_schema(path)
    rows: list[dict[str, Any]] = read_table(path, checked, filters).to_pylist()
    return rows
