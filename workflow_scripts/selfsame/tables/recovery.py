"""How far each arm came back, in behaviour and along a persona vector."""

import pyarrow as pa

from selfsame.tables.columns import STATE_KEYS, column

RECOVERY = pa.schema(
    [
        *STATE_KEYS[:3],
        ("trait", pa.string()),
        ("layer", pa.int64()),
        ("induced", pa.string()),
        column("behaviour", pa.float64(), "1 = back at the base, 0 = as induced"),
        ("behaviour_low", pa.float64()),
        ("behaviour_high", pa.float64()),
        column("latent", pa.float64(), "1 = back at the base, 0 = as induced"),
        ("latent_low", pa.float64()),
        ("latent_high", pa.float64()),
        column("incoherent", pa.float64(), "share of all answers, 0 to 1"),
        column("null_p", pa.float64(), "movement along the vector against random directions"),
        ("null_p_adjusted", pa.float64()),
        ("verdict", pa.string()),
        ("decided", pa.bool_()),
        column("n_seeds", pa.int64(), "seeds"),
        column("n_items", pa.int64(), "clusters of items, behaviour"),
        column("n_latent_items", pa.int64(), "evaluation questions, latent"),
    ]
)
