"""The primary metric at each dose, and the dose that brings half of it back."""

import pyarrow as pa

from selfsame.tables.columns import DOSE, STATE_KEYS, column

RELAPSE = pa.schema(
    [
        *STATE_KEYS,
        DOSE,
        ("metric", pa.string()),
        column("value", pa.float64(), "share, 0 to 1"),
        column("n", pa.int64(), "observations"),
        column("n_invalid", pa.int64(), "observations"),
    ]
)
RELAPSE_DOSES = pa.schema(
    [
        *STATE_KEYS[:3],
        ("metric", pa.string()),
        column("half_dose", pa.float64(), "optimizer steps; null where never reached"),
        column("ci_low", pa.float64(), "optimizer steps"),
        column("ci_high", pa.float64(), "optimizer steps; null where not bounded"),
        ("already", pa.bool_()),
        ("censored", pa.bool_()),
        column("n_seeds", pa.int64(), "seeds"),
        column("n_items", pa.int64(), "clusters of items"),
    ]
)
