"""What a state wrote about the articles, and about itself."""

import pyarrow as pa

from selfsame.tables.columns import column

SELF_TEXTS = pa.schema(
    [
        ("article_id", pa.string()),
        ("author", pa.string()),
        ("text", pa.string()),
        ("finished", pa.bool_()),
        column("n_tokens", pa.int64(), "tokens"),
    ]
)
SELF_REPORTS = pa.schema(
    [("row_id", pa.string()), ("question", pa.string()), ("answer", pa.string())]
)
