"""What a probe asks."""

import pyarrow as pa

from selfsame.tables.columns import MESSAGES, column

# system_prompt: the probe's own as JSON, null where the probe is asked under the model's.
PROMPTS = pa.schema(
    [
        ("probe", pa.string()),
        ("item", pa.string()),
        ("cluster", pa.string()),
        ("order", pa.int64()),
        ("kind", pa.string()),
        ("group", pa.string()),
        ("messages", MESSAGES),
        ("answers", pa.list_(pa.string())),
        ("correct", pa.int64()),
        ("reference", pa.string()),
        ("samples", pa.int64()),
        ("temperature", pa.float64()),
        column("max_new_tokens", pa.int64(), "tokens"),
        ("system_prompt", pa.string()),
    ]
)
