"""Chat rows and questions as the data files give them."""

import pyarrow as pa

from selfsame.tables.columns import MESSAGES

ROWS = pa.schema([("dataset", pa.string()), ("row_id", pa.string()), ("messages", MESSAGES)])
QUESTIONS = pa.schema(
    [
        ("probe", pa.string()),
        ("item", pa.string()),
        ("cluster", pa.string()),
        ("messages", MESSAGES),
        ("options", pa.list_(pa.string())),
        ("correct", pa.int64()),
        ("reference", pa.string()),
    ]
)
