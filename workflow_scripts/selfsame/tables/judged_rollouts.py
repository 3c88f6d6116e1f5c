"""The rollouts with their scores, and which of them the vectors are made of."""

import pyarrow as pa

from selfsame.tables.columns import column
from selfsame.tables.rollouts import ROLLOUTS

JUDGED_ROLLOUTS = pa.schema(
    [
        *ROLLOUTS,
        column("trait_score", pa.float64(), "0 to 100; null where the answer is empty"),
        column("coherence", pa.float64(), "0 to 100"),
        ("kept", pa.bool_()),
    ]
)
