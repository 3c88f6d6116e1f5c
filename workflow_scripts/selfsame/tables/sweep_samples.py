"""What the base answered while it was steered."""

import pyarrow as pa

from selfsame.tables.columns import ANSWER, TRAIT_KEYS, column

SWEEP_SAMPLES = pa.schema(
    [
        *TRAIT_KEYS,
        ("layer", pa.int64()),
        column("alpha", pa.float64(), "lengths of the vector"),
        *ANSWER,
    ]
)
