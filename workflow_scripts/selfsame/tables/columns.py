"""Columns that many tables share: keys first, units in the columns' metadata."""

import pyarrow as pa


def column(name: str, kind: pa.DataType, unit: str) -> pa.Field:
    """A column of numbers, and what they are measured in."""
    return pa.field(name, kind, metadata={"unit": unit})


MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
STATE_KEYS = [
    ("experiment", pa.string()),
    ("model", pa.string()),
    ("chain", pa.string()),
    ("seed", pa.int64()),
]
TRAIT_KEYS = [("experiment", pa.string()), ("model", pa.string()), ("trait", pa.string())]
# `layer` l is the residual stream that leaves block l, the first is 0; `vector` is the read-out
# position, response_mean or prompt_last.
STATE_TRAIT_KEYS = [
    *STATE_KEYS,
    ("trait", pa.string()),
    ("vector", pa.string()),
    ("layer", pa.int64()),
]
ANSWER = [
    ("item", pa.string()),
    ("sample", pa.int64()),
    ("text", pa.string()),
    ("finished", pa.bool_()),
    column("n_tokens", pa.int64(), "tokens"),
]
DOSE = column("dose", pa.int64(), "optimizer steps of fresh induction")
