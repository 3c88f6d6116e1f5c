"""Articles, and what other authors wrote about them."""

import pyarrow as pa

ARTICLES = pa.schema(
    [("article_id", pa.string()), ("split", pa.string()), ("article", pa.string())]
)
RIVAL_TEXTS = pa.schema(
    [("article_id", pa.string()), ("author", pa.string()), ("text", pa.string())]
)
