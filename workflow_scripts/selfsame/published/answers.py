"""The reader of published per-question answers, checked column by column.

    answers = read_answers(Path("answers.parquet"), publication)

400,000 rows take a second: they are checked before every run. Each mistake is one line that names
the file, the first row concerned (the first is 1) and how many rows there are like it.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq

from selfsame.errors import UserError
from selfsame.published.settings import Publication

NAMES = ["model", "condition", "question_id", "answer"]
COLUMNS = [*NAMES, "seed", "is_correct"]
UNNUMBERED = -1  # the seed of a run that the file gives none
RUN = ["model", "condition", "seed"]
MOST_SEED = 2**31

Where = Mapping[str, str | list[str]]


def read_answers(
    path: Path,
    publication: Publication,
    where: Where | None = None,
    columns: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """COLUMNS, one row per answer: NAMES as categories, seed UNNUMBERED if null, is_correct 0 or 1.

    `where` and `columns` as in FileSource. Raises UserError with a line for each mistake.
    """
    frame = _columns(path, where or {}, columns or {})
    _raise(path, _of_values(frame, publication))
    answers = _typed(frame)
    _raise(path, _of_runs(answers))
    return answers


def _columns(path: Path, where: Where, columns: Mapping[str, str]) -> pd.DataFrame:
    frame = _loaded(path)
    named = {name: columns.get(name, name) for name in COLUMNS}
    absent = [name for name in (*named.values(), *where) if name not in frame]
    if absent:
        there = ", ".join(map(repr, frame.columns)) or "none"
        raise UserError(f"{path}: no column {absent[0]!r}; there are {there}")
    for column, value in where.items():
        wanted = [value] if isinstance(value, str) else value
        frame = frame[frame[column].astype(str).isin(wanted)]
    if frame.empty:
        raise UserError(f"{path}: has no rows" + (" left by `where`" if where else ""))
    # The index stays: it tells the row of the file.
    return pd.DataFrame(
        {
            name: _as_names(frame[column]) if name in NAMES else _or_gap(frame[column])
            for name, column in named.items()
        }
    )


def _as_names(values: pd.Series) -> pd.Series:
    """As categories of text; an empty text is a gap."""
    if values.dtype == object:
        values = values.map(str, na_action="ignore")
    names = values.astype("category").cat.remove_unused_categories()
    names = names.cat.rename_categories([str(name) for name in names.cat.categories])
    return names.cat.remove_categories([name for name in names.cat.categories if not name])


def _or_gap(values: pd.Series) -> pd.Series:
    """An empty text is a gap."""
    return values if pd.api.types.is_numeric_dtype(values) else values.where(values != "", None)


def _loaded(path: Path) -> pd.DataFrame:
    readers: dict[str, Callable[[Path], pa.Table]] = {
        ".parquet": pq.read_table,
        ".jsonl": pa.json.read_json,
        ".csv": pa.csv.read_csv,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise UserError(f"{path}: must be a .parquet, .jsonl or .csv file")
    try:
        frame: pd.DataFrame = reader(path).to_pandas(integer_object_nulls=True)
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        text = " ".join(str(error).split())
        raise UserError(f"{path}: cannot be read: {text}") from error
    return frame.reset_index(drop=True)


def _raise(path: Path, mistakes: Iterator[str]) -> None:
    lines = [f"{path}: {mistake}" for mistake in mistakes]
    if lines:
        raise UserError("\n".join(lines))


def _of_values(frame: pd.DataFrame, publication: Publication) -> Iterator[str]:
    """What is wrong in single rows; of columns with gaps no more is said."""
    gaps = {name: frame[name].isna() for name in (*NAMES, "is_correct")}
    for name, gap in gaps.items():
        yield from _marked(frame, gap, f"{name} is empty")
    if any(gap.any() for gap in gaps.values()):
        return
    yield from _strangers(frame, "model", publication.models, "the models of the mapping")
    conditions = publication.conditions
    yield from _strangers(frame, "condition", conditions, "the conditions of the mapping")
    letters = [*publication.answers.valid, publication.answers.invalid]
    yield from _strangers(frame, "answer", letters, ", ".join(letters))
    yield from _of_numbers(frame)
    unread = frame["answer"] == publication.answers.invalid
    right = _numbers(frame["is_correct"]) == 1
    yield from _marked(frame, unread & right, "an answer that is invalid cannot be correct")


def _strangers(
    frame: pd.DataFrame, column: str, known: Collection[str], among: str
) -> Iterator[str]:
    for value in frame[column].cat.categories:
        if value not in known:
            text = f"{column} {value!r} is not among {among}"
            yield from _marked(frame, frame[column] == value, text)


def _of_numbers(frame: pd.DataFrame) -> Iterator[str]:
    seeds = _numbers(frame["seed"])
    whole = seeds.between(0, MOST_SEED) & (seeds == np.floor(seeds))
    wrong = ~whole & frame["seed"].notna()
    yield from _marked(frame, wrong, "seed must be a whole number from 0, or null")
    marks = _numbers(frame["is_correct"])
    yield from _marked(frame, ~marks.isin([0, 1]), "is_correct must be 0 or 1")


def _numbers(values: pd.Series) -> pd.Series:
    """As floats; NaN where there is none."""
    return pd.to_numeric(values, errors="coerce").astype(float)


def _marked(frame: pd.DataFrame, wrong: pd.Series, text: str) -> Iterator[str]:
    """The mistake at its first row, and how often it occurs."""
    count = int(wrong.sum())
    if count:
        more = f" (and {count - 1:,} more rows)" if count > 1 else ""
        yield f"row {frame.index[wrong][0] + 1}: {text}{more}"


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    seeds = _numbers(frame["seed"]).fillna(UNNUMBERED).astype(np.int64)
    return frame.assign(seed=seeds, is_correct=_numbers(frame["is_correct"]).astype(np.int8))


def _of_runs(answers: pd.DataFrame) -> Iterator[str]:
    """Questions that a run answered twice, or that it lacks and other runs of its model do not."""
    twice = answers.duplicated([*RUN, "question_id"])
    yield from _marked(answers, twice, "its model, condition, seed and question_id occurred before")
    if twice.any():
        return
    for model, of_model in answers.groupby("model", observed=True):
        wanted = of_model["question_id"].nunique()
        counts = of_model.groupby(["condition", "seed"], observed=True).size()
        few = counts[counts < wanted].rename("count").reset_index()
        for condition, seed, count in few.itertuples(index=False, name=None):
            run = "without a seed" if seed == UNNUMBERED else f"of seed {seed}"
            yield (
                f"the run {run} of {condition!r} of {model!r} answers {count:,} of the"
                f" {wanted:,} questions that other runs of that model answer"
            )
