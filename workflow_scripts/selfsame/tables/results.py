"""Levels of every chain, effects of every contrast."""

import pyarrow as pa

from selfsame.tables.columns import STATE_KEYS, column

EFFECTS = pa.schema(
    [
        ("experiment", pa.string()),
        ("model", pa.string()),
        ("chain", pa.string()),
        ("control", pa.string()),
        ("contrast", pa.string()),
        ("metric", pa.string()),
        column("estimate", pa.float64(), "difference of levels, chain minus control"),
        ("ci_low", pa.float64()),
        ("ci_high", pa.float64()),
        ("p_value", pa.float64()),
        ("p_adjusted", pa.float64()),
        column("n_seeds", pa.int64(), "seeds"),
        column("n_items", pa.int64(), "clusters of items"),
    ]
)
SUMMARY = pa.schema(
    [
        *STATE_KEYS[:3],
        ("metric", pa.string()),
        column("value", pa.float64(), "as of the observations"),
        ("ci_low", pa.float64()),
        ("ci_high", pa.float64()),
        column("n", pa.int64(), "observations"),
        column("n_invalid", pa.int64(), "observations"),
        column("n_seeds", pa.int64(), "seeds"),
        column("n_items", pa.int64(), "clusters of items"),
    ]
)
