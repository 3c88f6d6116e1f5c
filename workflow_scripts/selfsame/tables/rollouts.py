"""What the base answered under a trait's instructions."""

import pyarrow as pa

from selfsame.tables.columns import ANSWER, TRAIT_KEYS

ROLLOUTS = pa.schema(
    [*TRAIT_KEYS, ("side", pa.string()), ("instruction", pa.int64()), *ANSWER],
)
