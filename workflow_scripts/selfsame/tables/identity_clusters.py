"""How many different answers a state gives to a question for who it is, by threshold."""

import pyarrow as pa

from selfsame.tables.columns import STATE_KEYS, column

FILE = "identity_clusters.parquet"
IDENTITY_CLUSTERS = pa.schema(
    [
        *STATE_KEYS,
        ("probe", pa.string()),
        ("item", pa.string()),
        column("threshold", pa.float64(), "cosine from which two answers are alike"),
        column("clusters", pa.int64(), "clusters"),
        column("largest", pa.float64(), "share of the answers, 0 to 1; null without answers"),
        column("entropy", pa.float64(), "bits, of the clusters' sizes; null without answers"),
        column("n", pa.int64(), "answers"),
        column("n_empty", pa.int64(), "answers"),
    ]
)
