"""What a publication holds: its states, its runs, and the figures it prints."""

import pyarrow as pa

from selfsame.tables.columns import STATE_KEYS, column
from selfsame.tables.published import ACCOUNT

PUBLISHED_STATES = pa.schema(
    [
        *STATE_KEYS[:3],
        ("condition", pa.string()),
        ("system", pa.string()),
        column("n_runs", pa.int64(), "runs"),
    ]
)
PUBLISHED_RUNS = pa.schema(
    [
        *STATE_KEYS,
        ACCOUNT,
        column("value", pa.float64(), "share of answers, 0 to 1; null where none counts"),
        column("n", pa.int64(), "answers"),
        column("n_invalid", pa.int64(), "answers"),
    ]
)
PRINTED_CELLS = pa.schema(
    [
        ("model", pa.string()),
        ("condition", pa.string()),
        ("figure", pa.string()),
        ("printed", pa.string()),
        ("computed", pa.string()),
        column("value", pa.float64(), "percent"),
        ("agrees", pa.bool_()),
    ]
)
