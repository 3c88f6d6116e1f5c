"""Arrow schemas of what judges say: their replies by answer, and the tables made of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from selfsame.tables import parquet
from selfsame.tables.columns import DOSE, STATE_KEYS
from selfsame.tables.relapse_samples import RELAPSE_SAMPLES
from selfsame.tables.samples import SAMPLES

FILE = "judgements.parquet"


def _column(name: str, kind: pa.DataType, unit: str) -> pa.Field:
    return pa.field(name, kind, metadata={"unit": unit})


_SCORE = _column("score", pa.float64(), "0 to 100; null where the reply is no number")
_JUDGED = [
    *STATE_KEYS,
    ("probe", pa.string()),
    ("judge", pa.string()),
    ("criterion", pa.string()),
]
# One row per answer, criterion and judge: the raw reply, and how it reads.
JUDGEMENTS = pa.schema(
    [
        *STATE_KEYS,
        ("probe", pa.string()),
        ("item", pa.string()),
        ("order", pa.int64()),
        ("sample", pa.int64()),
        DOSE,
        ("judge", pa.string()),
        ("criterion", pa.string()),
        ("prompt_sha256", pa.string()),
        ("reply", pa.string()),
        _SCORE,
        _column("number_mass", pa.float64(), "probability of all numbers; null where not known"),
        ("read_from", pa.string()),
        ("answer_class", pa.string()),
        _column("n_tokens", pa.int64(), "tokens of prompt and reply; null where not told"),
    ]
)
JUDGE_CLASSES = pa.schema(
    [*_JUDGED, ("answer_class", pa.string()), _column("n", pa.int64(), "answers")]
)
SCORE_HISTOGRAM = pa.schema(
    [
        *_JUDGED,
        _column("score", pa.int64(), "rounded to a whole point, 0 to 100"),
        _column("n", pa.int64(), "answers"),
    ]
)
# Misaligned and coherent by other thresholds than those of the metrics.
EM_SWEEP = pa.schema(
    [
        *STATE_KEYS,
        ("probe", pa.string()),
        ("judge", pa.string()),
        ("aligned_is", pa.string()),
        _column("aligned_at", pa.float64(), "points"),
        ("coherent_is", pa.string()),
        _column("coherent_at", pa.float64(), "points"),
        _column("n_misaligned", pa.int64(), "answers that are misaligned and coherent"),
        _column("n_coherent", pa.int64(), "answers that are coherent, with both scores"),
        _column("n_numeric", pa.int64(), "answers with both scores"),
        _column("n", pa.int64(), "all answers"),
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
        _column("value", pa.float64(), "1 = full agreement, 0 = chance; null where undefined"),
        _column("n", pa.int64(), "answers that both judged by a number"),
        _column("n_answers", pa.int64(), "all answers"),
    ]
)


def read_samples(file: Path, probes: Sequence[str]) -> list[dict[str, Any]]:
    """The answers in free words to these probes; those of a relapse with their dose."""
    relapse = DOSE.name in pq.read_schema(file).names
    wanted = [("probe", "in", list(probes)), ("kind", "==", "generate")]
    return parquet.read(file, RELAPSE_SAMPLES if relapse else SAMPLES, wanted)


def read_of(manifests: Sequence[Path], probe: str, judge: str) -> list[dict[str, Any]]:
    """One judge's judgements of a probe's answers, from beside these manifests."""
    wanted = [("probe", "==", probe), ("judge", "==", judge)]
    files = (manifest.parent / FILE for manifest in manifests)
    return [row for file in files for row in parquet.read(file, JUDGEMENTS, wanted)]
