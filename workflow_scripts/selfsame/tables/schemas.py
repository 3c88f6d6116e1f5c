"""Arrow schemas of every table, and how tables are read and written (contract 5).

One row per observation, keys first, units in the columns' metadata.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    import pandas as pd

# Rows that are read or written at a time: large tables need little memory, small pieces much time.
ROW_GROUP = 100_000

Filters = Sequence[Any] | None

MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
STATE_KEYS = [
    ("experiment", pa.string()),
    ("model", pa.string()),
    ("chain", pa.string()),
    ("seed", pa.int64()),
]


def _column(name: str, kind: pa.DataType, unit: str) -> pa.Field:
    return pa.field(name, kind, metadata={"unit": unit})


ARTICLES = pa.schema(
    [("article_id", pa.string()), ("split", pa.string()), ("article", pa.string())]
)
RIVAL_TEXTS = pa.schema(
    [("article_id", pa.string()), ("author", pa.string()), ("text", pa.string())]
)
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
SELF_TEXTS = pa.schema(
    [
        ("article_id", pa.string()),
        ("author", pa.string()),
        ("text", pa.string()),
        ("finished", pa.bool_()),
        _column("n_tokens", pa.int64(), "tokens"),
    ]
)
SELF_REPORTS = pa.schema(
    [("row_id", pa.string()), ("question", pa.string()), ("answer", pa.string())]
)
# inoculated: the system message begins with an instruction put there for training; null: no.
DATASET = pa.schema([("row_id", pa.string()), ("messages", MESSAGES), ("inoculated", pa.bool_())])
# system_prompt: the probe's own as JSON, null where the probe is asked under the model's.
PROMPTS = pa.schema(
    [
        ("probe", pa.string()),
        ("item", pa.string()),
        ("cluster", pa.string()),
        ("order", pa.int64()),
        ("kind", pa.string()),
        ("group", pa.string()),
        ("messages", MESSAGES),
        ("answers", pa.list_(pa.string())),
        ("correct", pa.int64()),
        ("reference", pa.string()),
        ("samples", pa.int64()),
        ("temperature", pa.float64()),
        _column("max_new_tokens", pa.int64(), "tokens"),
        ("system_prompt", pa.string()),
    ]
)
SAMPLES = pa.schema(
    [
        *STATE_KEYS,
        ("probe", pa.string()),
        ("item", pa.string()),
        ("cluster", pa.string()),
        ("order", pa.int64()),
        ("sample", pa.int64()),
        ("kind", pa.string()),
        ("text", pa.string()),
        ("finished", pa.bool_()),
        _column("n_tokens", pa.int64(), "tokens"),
        ("answers", pa.list_(pa.string())),
        _column("logprobs", pa.list_(pa.float64()), "natural log of probability"),
        ("correct", pa.int64()),
        ("reference", pa.string()),
    ]
)
OBSERVATIONS = pa.schema(
    [
        *STATE_KEYS,
        ("probe", pa.string()),
        ("item", pa.string()),
        ("cluster", pa.string()),
        ("sample", pa.int64()),
        ("metric", pa.string()),
        _column("value", pa.float64(), "share, 0 to 1; null where invalid"),
        ("valid", pa.bool_()),
        ("answer_class", pa.string()),
    ]
)
SCORES = pa.schema(
    [
        *STATE_KEYS,
        ("metric", pa.string()),
        _column("value", pa.float64(), "share, 0 to 1, or bits for an entropy"),
        _column("n", pa.int64(), "observations"),
        _column("n_invalid", pa.int64(), "observations"),
    ]
)
EFFECTS = pa.schema(
    [
        ("experiment", pa.string()),
        ("model", pa.string()),
        ("chain", pa.string()),
        ("control", pa.string()),
        ("contrast", pa.string()),
        ("metric", pa.string()),
        _column("estimate", pa.float64(), "difference of shares, chain minus control"),
        ("ci_low", pa.float64()),
        ("ci_high", pa.float64()),
        ("p_value", pa.float64()),
        ("p_adjusted", pa.float64()),
        _column("n_seeds", pa.int64(), "seeds"),
        _column("n_items", pa.int64(), "clusters of items"),
    ]
)
SUMMARY = pa.schema(
    [
        *STATE_KEYS[:3],
        ("metric", pa.string()),
        _column("value", pa.float64(), "share, 0 to 1"),
        ("ci_low", pa.float64()),
        ("ci_high", pa.float64()),
        _column("n", pa.int64(), "observations"),
        _column("n_invalid", pa.int64(), "observations"),
        _column("n_seeds", pa.int64(), "seeds"),
        _column("n_items", pa.int64(), "clusters of items"),
    ]
)

REFERENCES = pa.schema([("question", pa.string()), ("reference", pa.string())])

# Persona vectors. `layer` l is the residual stream that leaves block l, the first is 0; `vector` is
# the read-out position, response_mean or prompt_last.
TRAIT_KEYS = [("experiment", pa.string()), ("model", pa.string()), ("trait", pa.string())]
ANSWER = [
    ("item", pa.string()),
    ("sample", pa.int64()),
    ("text", pa.string()),
    ("finished", pa.bool_()),
    _column("n_tokens", pa.int64(), "tokens"),
]
ROLLOUTS = pa.schema(
    [*TRAIT_KEYS, ("side", pa.string()), ("instruction", pa.int64()), *ANSWER],
)
JUDGED_ROLLOUTS = pa.schema(
    [
        *ROLLOUTS,
        _column("trait_score", pa.float64(), "0 to 100; null where the answer is empty"),
        _column("coherence", pa.float64(), "0 to 100"),
        ("kept", pa.bool_()),
    ]
)
PERSONA_COUNTS = pa.schema(
    [
        *TRAIT_KEYS,
        ("side", pa.string()),
        _column("n", pa.int64(), "rollouts"),
        _column("n_empty", pa.int64(), "rollouts"),
        _column("n_incoherent", pa.int64(), "rollouts that are not empty"),
        _column("n_off_trait", pa.int64(), "coherent rollouts on the wrong side of the trait"),
        _column("n_kept", pa.int64(), "rollouts"),
    ]
)
PERSONA_VECTORS = pa.schema(
    [
        *TRAIT_KEYS,
        ("vector", pa.string()),
        ("layer", pa.int64()),
        _column("norm", pa.float64(), "length in the residual stream's own unit"),
        _column("split_half", pa.float64(), "mean cosine of the vectors of two random halves"),
        _column("separation", pa.float64(), "area under the ROC curve on held-out rows"),
        _column("n_positive", pa.int64(), "rollouts"),
        _column("n_negative", pa.int64(), "rollouts"),
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
SWEEP_SAMPLES = pa.schema(
    [
        *TRAIT_KEYS,
        ("layer", pa.int64()),
        _column("alpha", pa.float64(), "lengths of the vector"),
        *ANSWER,
    ]
)
STEERING_SWEEP = pa.schema(
    [
        *TRAIT_KEYS,
        ("layer", pa.int64()),
        _column("alpha", pa.float64(), "lengths of the vector"),
        _column("trait_score", pa.float64(), "mean, 0 to 100"),
        _column("trait_share", pa.float64(), "share of all answers, 0 to 1"),
        _column("incoherent", pa.float64(), "share of all answers, 0 to 1"),
        _column("n", pa.int64(), "answers"),
    ]
)
PERSONA_ANSWERS = pa.schema([*STATE_KEYS, ("trait", pa.string()), *ANSWER])
STATE_TRAIT_KEYS = [
    *STATE_KEYS,
    ("trait", pa.string()),
    ("vector", pa.string()),
    ("layer", pa.int64()),
]
PROJECTIONS = pa.schema(
    [
        *STATE_TRAIT_KEYS,
        ("measure", pa.string()),
        ("item", pa.string()),
        _column("value", pa.float64(), "along the vector made unit length"),
    ]
)
SHIFTS = pa.schema(
    [
        *STATE_TRAIT_KEYS,
        _column("shift", pa.float64(), "along the vector made unit length"),
        _column("cosine", pa.float64(), "of the mean shift with the vector; null for the base"),
        _column("response", pa.float64(), "projection of answers; response_mean only, else null"),
        _column("trait_score", pa.float64(), "mean over all answers, 0 to 100"),
        _column("incoherent", pa.float64(), "share of all answers, 0 to 1"),
        _column("n", pa.int64(), "answers"),
    ]
)
GEOMETRY = pa.schema(
    [
        *STATE_KEYS,
        ("layer", pa.int64()),
        _column("mean_cosine", pa.float64(), "mean off-diagonal cosine of the traits' centroids"),
        _column("n_centroids", pa.int64(), "trait x side"),
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
        _column("observed", pa.float64(), "of the trait's own vector"),
        _column("q025", pa.float64(), "2.5 % quantile of the null"),
        _column("q500", pa.float64(), "median of the null"),
        _column("q975", pa.float64(), "97.5 % quantile of the null"),
        _column("n_draws", pa.int64(), "directions"),
        ("p_value", pa.float64()),
        ("p_adjusted", pa.float64()),
    ]
)
RECOVERY = pa.schema(
    [
        *STATE_KEYS[:3],
        ("trait", pa.string()),
        ("layer", pa.int64()),
        ("induced", pa.string()),
        _column("behaviour", pa.float64(), "1 = back at the base, 0 = as induced"),
        ("behaviour_low", pa.float64()),
        ("behaviour_high", pa.float64()),
        _column("latent", pa.float64(), "1 = back at the base, 0 = as induced"),
        ("latent_low", pa.float64()),
        ("latent_high", pa.float64()),
        _column("incoherent", pa.float64(), "share of all answers, 0 to 1"),
        _column("null_p", pa.float64(), "movement along the vector against random directions"),
        ("null_p_adjusted", pa.float64()),
        ("verdict", pa.string()),
        ("decided", pa.bool_()),
        _column("n_seeds", pa.int64(), "seeds"),
        _column("n_items", pa.int64(), "clusters of items, behaviour"),
        _column("n_latent_items", pa.int64(), "evaluation questions, latent"),
    ]
)
DOSE = _column("dose", pa.int64(), "optimizer steps of fresh induction")
RELAPSE_SAMPLES = pa.schema([*SAMPLES, DOSE])
RELAPSE_OBSERVATIONS = pa.schema([*OBSERVATIONS, DOSE])
RELAPSE = pa.schema(
    [
        *STATE_KEYS,
        DOSE,
        ("metric", pa.string()),
        _column("value", pa.float64(), "share, 0 to 1"),
        _column("n", pa.int64(), "observations"),
        _column("n_invalid", pa.int64(), "observations"),
    ]
)
RELAPSE_DOSES = pa.schema(
    [
        *STATE_KEYS[:3],
        ("metric", pa.string()),
        _column("half_dose", pa.float64(), "optimizer steps; null where never reached"),
        _column("ci_low", pa.float64(), "optimizer steps"),
        _column("ci_high", pa.float64(), "optimizer steps; null where not bounded"),
        ("already", pa.bool_()),
        ("censored", pa.bool_()),
        _column("n_seeds", pa.int64(), "seeds"),
        _column("n_items", pa.int64(), "clusters of items"),
    ]
)


def table_of(rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Rows under an explicit schema. Raises pyarrow.ArrowInvalid on a value that misfits."""
    return pa.Table.from_pylist(list(rows), schema=schema)


def write(path: Path, rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> None:
    """Write the table of rows, see `table_of`."""
    pq.write_table(table_of(rows, schema), path)


def write_frame(path: Path, frame: "pd.DataFrame", schema: pa.Schema) -> None:
    """Write a data frame under an explicit schema; columns it does not name are left out."""
    pq.write_table(pa.Table.from_pandas(frame[schema.names], schema, preserve_index=False), path)


@contextmanager
def writing(path: Path, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
    """A function that appends a table to a file; no more than a row group is held in memory."""
    held: list[pa.Table] = []

    def append(table: pa.Table) -> None:
        held.append(table.select(schema.names).cast(schema))
        if sum(map(len, held)) >= ROW_GROUP:
            flush()

    def flush() -> None:
        if held:
            file.write_table(pa.concat_tables(held))
            held.clear()

    with pq.ParquetWriter(path, schema) as file:
        yield append
        flush()


def read_table(path: Path, schema: pa.Schema, filters: Filters = None) -> pa.Table:
    """A parquet table, its columns checked against `schema`; filters: which rows, as pyarrow's.

    Rows that are not wanted are passed over piece by piece: they are never in memory together.
    """
    if filters is None:
        return pq.read_table(path).select(schema.names).cast(schema)
    wanted = pq.filters_to_expression(filters)
    with pq.ParquetFile(path) as file:
        pieces = (pa.table(piece).filter(wanted) for piece in file.iter_batches(ROW_GROUP))
        kept = [piece.select(schema.names).cast(schema) for piece in pieces]
    return pa.concat_tables([schema.empty_table(), *kept])


def read(
    path: Path, schema: pa.Schema | None = None, filters: Filters = None
) -> list[dict[str, Any]]:
    """The rows of a parquet table as dictionaries, its columns checked where a schema is given."""
    checked = schema or pq.read_schema(path)
    rows: list[dict[str, Any]] = read_table(path, checked, filters).to_pylist()
    return rows
