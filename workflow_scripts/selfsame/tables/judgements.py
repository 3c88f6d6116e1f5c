"""What judges say: their replies, answer by answer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from selfsame.tables import parquet
from selfsame.tables.columns import DOSE, STATE_KEYS, column
from selfsame.tables.relapse_samples import RELAPSE_SAMPLES
from selfsame.tables.samples import SAMPLES

FILE = "judgements.parquet"


_SCORE = column("score", pa.float64(), "0 to 100; null where the reply is no number")
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
        column("number_mass", pa.float64(), "probability of all numbers; null where not known"),
        ("read_from", pa.string()),
        ("answer_class", pa.string()),
        column("n_tokens", pa.int64(), "tokens of prompt and reply; null where not told"),
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
