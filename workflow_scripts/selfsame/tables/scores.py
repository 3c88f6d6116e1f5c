"""The mean of every metric, state by state and seed by seed."""

import pyarrow as pa

from selfsame.tables.columns import STATE_KEYS, column

SCORES = pa.schema(
    [
        *STATE_KEYS,
        ("metric", pa.string()),
        column("value", pa.float64(), "as of the observations, or bits for an entropy"),
        column("n", pa.int64(), "observations"),
        column("n_invalid", pa.int64(), "observations"),
    ]
)
