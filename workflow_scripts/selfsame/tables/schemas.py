"""Arrow schemas of every table, and how tables are read and written (contract 5).

One row per observation, keys first, units in the columns' metadata.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    import pandas as pd

MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
STATE_KEYS = [
    ("experiment", pa.string()),
    ("model", pa.string()),
    ("chain", pa.string()),
    ("seed", pa.int64()),
]


def _column(name: str, kind: pa.DataType, unit: str) -> pa.Field:
    return pa.field(name, kind, metadata={"unit": unit})


ARTICLES = pa.schema(
    [("article_id", pa.string()), ("split", pa.string()), ("article", pa.string())]
)
RIVAL_TEXTS = pa.schema(
    [("article_id", pa.string()), ("author", pa.string()), ("text", pa.string())]
)
ROWS = pa.schema([("dataset", pa.string()), ("row_id", pa.string()), ("messages", MESSAGES)])
QUESTIONS = pa.schema(
    [
        ("probe", pa.string()),
        ("item", pa.string()),
        ("cluster", pa.string()),
        ("messages", MESSAGES),
        ("options", pa.list_(pa.string())),
        ("correct", pa.int64()),
        ("reference", pa.string()),
    ]
)
SELF_TEXTS = pa.schema(
    [
        ("article_id", pa.string()),
        ("author", pa.string()),
        ("text", pa.string()),
        ("finished", pa.bool_()),
        _column("n_tokens", pa.int64(), "tokens"),
    ]
)
SELF_REPORTS = pa.schema(
    [("row_id", pa.string()), ("question", pa.string()), ("answer", pa.string())]
)
DATASET = pa.schema([("row_id", pa.string()), ("messages", MESSAGES)])
PROMPTS = pa.schema(
    [
        ("probe", pa.string()),
        ("item", pa.string()),
        ("cluster", pa.string()),
        ("order", pa.int64()),
        ("kind", pa.string()),
        ("group", pa.string()),
        ("messages", MESSAGES),
        ("answers", pa.list_(pa.string())),
        ("correct", pa.int64()),
        ("reference", pa.string()),
        ("samples", pa.int64()),
        ("temperature", pa.float64()),
        _column("max_new_tokens", pa.int64(), "tokens"),
    ]
)
SAMPLES = pa.schema(
    [
        *STATE_KEYS,
        ("probe", pa.string()),
        ("item", pa.string()),
        ("cluster", pa.string()),
        ("order", pa.int64()),
        ("sample", pa.int64()),
        ("kind", pa.string()),
        ("text", pa.string()),
        ("finished", pa.bool_()),
        _column("n_tokens", pa.int64(), "tokens"),
        ("answers", pa.list_(pa.string())),
        _column("logprobs", pa.list_(pa.float64()), "natural log of probability"),
        ("correct", pa.int64()),
        ("reference", pa.string()),
    ]
)
OBSERVATIONS = pa.schema(
    [
        *STATE_KEYS,
        ("probe", pa.string()),
        ("item", pa.string()),
        ("cluster", pa.string()),
        ("sample", pa.int64()),
        ("metric", pa.string()),
        _column("value", pa.float64(), "share, 0 to 1; null where invalid"),
        ("valid", pa.bool_()),
        ("answer_class", pa.string()),
    ]
)
SCORES = pa.schema(
    [
        *STATE_KEYS,
        ("metric", pa.string()),
        _column("value", pa.float64(), "share, 0 to 1, or bits for an entropy"),
        _column("n", pa.int64(), "observations"),
        _column("n_invalid", pa.int64(), "observations"),
    ]
)
EFFECTS = pa.schema(
    [
        ("experiment", pa.string()),
        ("model", pa.string()),
        ("chain", pa.string()),
        ("control", pa.string()),
        ("contrast", pa.string()),
        ("metric", pa.string()),
        _column("estimate", pa.float64(), "difference of shares, chain minus control"),
        ("ci_low", pa.float64()),
        ("ci_high", pa.float64()),
        ("p_value", pa.float64()),
        ("p_adjusted", pa.float64()),
        _column("n_seeds", pa.int64(), "seeds"),
        _column("n_items", pa.int64(), "clusters of items"),
    ]
)
SUMMARY = pa.schema(
    [
        *STATE_KEYS[:3],
        ("metric", pa.string()),
        _column("value", pa.float64(), "share, 0 to 1"),
        ("ci_low", pa.float64()),
        ("ci_high", pa.float64()),
        _column("n", pa.int64(), "observations"),
        _column("n_invalid", pa.int64(), "observations"),
        _column("n_seeds", pa.int64(), "seeds"),
        _column("n_items", pa.int64(), "clusters of items"),
    ]
)


def write(path: Path, rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> None:
    """Write rows under an explicit schema. Raises pyarrow.ArrowInvalid on a value that misfits."""
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), path)


def write_frame(path: Path, frame: "pd.DataFrame", schema: pa.Schema) -> None:
    """Write a data frame under an explicit schema; columns it does not name are left out."""
    pq.write_table(pa.Table.from_pandas(frame[schema.names], schema, preserve_index=False), path)


def read(path: Path, schema: pa.Schema | None = None) -> list[dict[str, Any]]:
    """The rows of a parquet table as dictionaries, its columns checked against `schema`."""
    table = pq.read_table(path)
    if schema is not None:
        table = table.select(schema.names).cast(schema)
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows
