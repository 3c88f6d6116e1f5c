"""Mean shifts, geometry, cosines and nulls of the persona vectors."""

import pyarrow as pa

from selfsame.tables.columns import STATE_KEYS, STATE_TRAIT_KEYS, TRAIT_KEYS, column

SHIFTS = pa.schema(
    [
        *STATE_TRAIT_KEYS,
        column("shift", pa.float64(), "along the vector made unit length"),
        column("cosine", pa.float64(), "of the mean shift with the vector; null for the base"),
        column("response", pa.float64(), "projection of answers; response_mean only, else null"),
        column("trait_score", pa.float64(), "mean over all answers, 0 to 100"),
        column("incoherent", pa.float64(), "share of all answers, 0 to 1"),
        column("n", pa.int64(), "answers"),
    ]
)
GEOMETRY = pa.schema(
    [
        *STATE_KEYS,
        ("layer", pa.int64()),
        column("mean_cosine", pa.float64(), "mean off-diagonal cosine of the traits' centroids"),
        column("n_centroids", pa.int64(), "trait x side"),
    ]
)
VECTOR_COSINES = pa.schema(
    [
        *TRAIT_KEYS,
        ("other", pa.string()),
        ("vector", pa.string()),
        ("layer", pa.int64()),
        ("cosine", pa.float64()),
    ]
)
NULLS = pa.schema(
    [
        *TRAIT_KEYS,
        ("vector", pa.string()),
        ("statistic", pa.string()),
        ("chain", pa.string()),
        ("selection", pa.string()),
        ("null", pa.string()),
        column("observed", pa.float64(), "of the trait's own vector"),
        column("q025", pa.float64(), "2.5 % quantile of the null"),
        column("q500", pa.float64(), "median of the null"),
        column("q975", pa.float64(), "97.5 % quantile of the null"),
        column("n_draws", pa.int64(), "directions"),
        ("p_value", pa.float64()),
        ("p_adjusted", pa.float64()),
    ]
)
