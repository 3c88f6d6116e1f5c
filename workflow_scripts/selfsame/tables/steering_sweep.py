"""What steering did at each layer and strength."""

import pyarrow as pa

from selfsame.tables.columns import TRAIT_KEYS, column

STEERING_SWEEP = pa.schema(
    [
        *TRAIT_KEYS,
        ("layer", pa.int64()),
        column("alpha", pa.float64(), "lengths of the vector"),
        column("trait_score", pa.float64(), "mean, 0 to 100"),
        column("trait_share", pa.float64(), "share of all answers, 0 to 1"),
        column("incoherent", pa.float64(), "share of all answers, 0 to 1"),
        column("n", pa.int64(), "answers"),
    ]
)
