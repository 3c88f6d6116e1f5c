"""What was read out of each answer."""

import pyarrow as pa

from selfsame.tables.columns import STATE_KEYS, column

OBSERVATIONS = pa.schema(
    [
        *STATE_KEYS,
        ("probe", pa.string()),
        ("item", pa.string()),
        ("cluster", pa.string()),
        ("sample", pa.int64()),
        ("metric", pa.string()),
        column("value", pa.float64(), "share, or in the metric's own unit; null where invalid"),
        ("valid", pa.bool_()),
        ("answer_class", pa.string()),
    ]
)
