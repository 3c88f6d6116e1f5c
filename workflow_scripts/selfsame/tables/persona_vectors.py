"""How reliable a trait's vectors are, and what became of its rollouts."""

import pyarrow as pa

from selfsame.tables.columns import TRAIT_KEYS, column

PERSONA_COUNTS = pa.schema(
    [
        *TRAIT_KEYS,
        ("side", pa.string()),
        column("n", pa.int64(), "rollouts"),
        column("n_empty", pa.int64(), "rollouts"),
        column("n_incoherent", pa.int64(), "rollouts that are not empty"),
        column("n_off_trait", pa.int64(), "coherent rollouts on the wrong side of the trait"),
        column("n_kept", pa.int64(), "rollouts"),
    ]
)
PERSONA_VECTORS = pa.schema(
    [
        *TRAIT_KEYS,
        ("vector", pa.string()),
        ("layer", pa.int64()),
        column("norm", pa.float64(), "length in the residual stream's own unit"),
        column("split_half", pa.float64(), "mean cosine of the vectors of two random halves"),
        column("separation", pa.float64(), "area under the ROC curve on held-out rows"),
        column("n_positive", pa.int64(), "rollouts"),
        column("n_negative", pa.int64(), "rollouts"),
    ]
)
