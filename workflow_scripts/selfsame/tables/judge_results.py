"""The tables that are made of what judges say: classes, scores, thresholds, agreement."""

import pyarrow as pa

from selfsame.tables.columns import STATE_KEYS, column

_JUDGED = [
    *STATE_KEYS,
    ("probe", pa.string()),
    ("judge", pa.string()),
    ("criterion", pa.string()),
]
JUDGE_CLASSES = pa.schema(
    [*_JUDGED, ("answer_class", pa.string()), column("n", pa.int64(), "answers")]
)
SCORE_HISTOGRAM = pa.schema(
    [
        *_JUDGED,
        column("score", pa.int64(), "rounded to a whole point, 0 to 100"),
        column("n", pa.int64(), "answers"),
    ]
)
# Misaligned and coherent by other thresholds than those of the metrics.
EM_SWEEP = pa.schema(
    [
        *STATE_KEYS,
        ("probe", pa.string()),
        ("judge", pa.string()),
        ("aligned_is", pa.string()),
        column("aligned_at", pa.float64(), "points"),
        ("coherent_is", pa.string()),
        column("coherent_at", pa.float64(), "points"),
        column("n_misaligned", pa.int64(), "answers that are misaligned and coherent"),
        column("n_coherent", pa.int64(), "answers that are coherent, with both scores"),
        column("n_numeric", pa.int64(), "answers with both scores"),
        column("n", pa.int64(), "all answers"),
    ]
)
JUDGE_AGREEMENT = pa.schema(
    [
        *STATE_KEYS[:2],
        ("chain", pa.string()),
        ("probe", pa.string()),
        ("judge", pa.string()),
        ("other", pa.string()),
        ("measure", pa.string()),
        ("criterion", pa.string()),
        column("value", pa.float64(), "1 = full agreement, 0 = chance; null where undefined"),
        column("n", pa.int64(), "answers that both judged by a number"),
        column("n_answers", pa.int64(), "all answers"),
    ]
)
