"""Each question's shift and response along each vector."""

import pyarrow as pa

from selfsame.tables.columns import STATE_TRAIT_KEYS, column

PROJECTIONS = pa.schema(
    [
        *STATE_TRAIT_KEYS,
        ("measure", pa.string()),
        ("item", pa.string()),
        column("value", pa.float64(), "along the vector made unit length"),
    ]
)
