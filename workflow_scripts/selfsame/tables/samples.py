"""What a state answered to the probes."""

import pyarrow as pa

from selfsame.tables.columns import STATE_KEYS, column

SAMPLES = pa.schema(
    [
        *STATE_KEYS,
        ("probe", pa.string()),
        ("item", pa.string()),
        ("cluster", pa.string()),
        ("order", pa.int64()),
        ("sample", pa.int64()),
        ("kind", pa.string()),
        ("text", pa.string()),
        ("finished", pa.bool_()),
        column("n_tokens", pa.int64(), "tokens"),
        column("thought_tokens", pa.int64(), "tokens of n_tokens that are not in the text"),
        ("answers", pa.list_(pa.string())),
        column("logprobs", pa.list_(pa.float64()), "natural log of probability"),
        ("correct", pa.int64()),
        ("reference", pa.string()),
    ]
)
