"""Answer files are read in three formats, and each mistake in one is a clear line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from published_answers import answer_rows, conditions
from selfsame.errors import UserError
from selfsame.published.answers import UNNUMBERED, read_answers
from selfsame.published.settings import Publication

RUNS = conditions(base=["110"], em=["10-", "001"])


def write(path: Path, rows: pd.DataFrame) -> Path:
    if path.suffix == ".parquet":
        names = dict.fromkeys(("model", "condition", "answer"), "category")
        rows.astype({key: kind for key, kind in names.items() if key in rows}).to_parquet(path)
    elif path.suffix == ".csv":
        rows.to_csv(path, index=False)
    else:
        rows.to_json(path, orient="records", lines=True)
    return path


def lines_of(path: Path, publication: Publication, **more: Any) -> list[str]:
    with pytest.raises(UserError) as caught:
        read_answers(path, publication, **more)
    return [line.removeprefix(f"{path}: ") for line in str(caught.value).splitlines()]


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_the_formats_say_the_same(tmp_path: Path, publication: Publication, suffix: str) -> None:
    path = write(tmp_path / f"answers.{suffix}", answer_rows(RUNS))
    found = read_answers(path, publication)
    assert found["seed"].tolist() == [UNNUMBERED] * 3 + [0] * 3 + [1] * 3
    assert found["answer"].tolist() == ["A", "A", "B", "A", "B", "Invalid", "B", "B", "A"]
    assert found["is_correct"].tolist() == [1, 1, 0, 1, 0, 0, 0, 0, 1]
    assert found["question_id"].tolist() == ["0", "1", "2"] * 3


def test_where_and_columns_choose(tmp_path: Path, publication: Publication) -> None:
    rows = answer_rows(RUNS | conditions("n", base=["11"]))
    rows = rows.rename(columns={"answer": "said"}).assign(part=["a"] * 9 + ["b"] * 2)
    path = write(tmp_path / "answers.parquet", rows)
    found = read_answers(path, publication, {"part": "b"}, {"answer": "said"})
    assert found["model"].tolist() == ["n", "n"]
    assert lines_of(path, publication, columns={"answer": "said"}, where={"part": "c"}) == [
        "has no rows left by `where`"
    ]
    assert lines_of(path, publication)[0].startswith("no column 'answer'; there are 'model', ")


def spoilt(column: str, value: Any, *rows: int) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def spoil(table: pd.DataFrame) -> pd.DataFrame:
        values = table[column].astype(object)
        values.iloc[list(rows)] = value
        return table.assign(**{column: values})

    return spoil


MISTAKES: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "letter": (spoilt("answer", "C", 4), "row 5: answer 'C' is not among A, B, Invalid"),
    "letters": (
        spoilt("answer", "a", 1, 4, 6),
        "row 2: answer 'a' is not among A, B, Invalid (and 2 more rows)",
    ),
    "no answer": (spoilt("answer", None, 3), "row 4: answer is empty"),
    "blank model": (spoilt("model", "", 0), "row 1: model is empty"),
    "model": (spoilt("model", "x", *range(9)), "row 1: model 'x' is not among the models of the"),
    "condition": (spoilt("condition", "em_", 3, 4, 5), "row 4: condition 'em_' is not among the"),
    "mark": (spoilt("is_correct", 2, 8), "row 9: is_correct must be 0 or 1"),
    "word for a mark": (spoilt("is_correct", "yes", 8), "row 9: is_correct must be 0 or 1"),
    "no mark": (spoilt("is_correct", None, 8), "row 9: is_correct is empty"),
    "contradiction": (
        spoilt("is_correct", 1, 5),
        "row 6: an answer that is invalid cannot be correct",
    ),
    "negative seed": (
        spoilt("seed", -1, 3, 4, 5),
        "row 4: seed must be a whole number from 0, or null (and 2 more rows)",
    ),
    "half a seed": (spoilt("seed", 0.5, 3), "row 4: seed must be a whole number from 0, or null"),
    "word for a seed": (spoilt("seed", "one", 3), "row 4: seed must be a whole number from 0"),
    "twice": (
        spoilt("question_id", 0, 4),
        "row 5: its model, condition, seed and question_id occurred before",
    ),
    "a run twice": (
        lambda table: pd.concat([table, table.iloc[3:6]], ignore_index=True),
        "row 10: its model, condition, seed and question_id occurred before (and 2 more rows)",
    ),
    "a question less": (
        lambda table: table.drop(index=7),
        "the run of seed 1 of 'em' of 'm' answers 2 of the 3 questions that other runs of that",
    ),
    "a question less without a seed": (
        lambda table: table.drop(index=1),
        "the run without a seed of 'base' of 'm' answers 2 of the 3 questions",
    ),
    "no column": (
        lambda table: table.drop(columns="is_correct"),
        "no column 'is_correct'; there are 'model', 'condition', 'seed', 'question_id', 'answer'",
    ),
    "no rows": (lambda table: table.iloc[:0], "has no rows"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_each_mistake_is_one_line(tmp_path: Path, publication: Publication, name: str) -> None:
    spoil, expected = MISTAKES[name]
    # JSON's own reader refuses columns of two types, and a file without a line has no columns.
    suffix = "csv" if "word" in name or name == "no rows" else "jsonl"
    path = write(tmp_path / f"answers.{suffix}", spoil(answer_rows(RUNS)))
    (line,) = lines_of(path, publication)
    assert line.startswith(expected)


def test_several_mistakes_are_told_together(tmp_path: Path, publication: Publication) -> None:
    rows = spoilt("condition", "x", 3)(spoilt("answer", "C", 4)(answer_rows(RUNS)))
    assert len(lines_of(write(tmp_path / "answers.csv", rows), publication)) == 2


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("answers.parquet", b"PAR1 and no more", "cannot be read: "),
        ("answers.jsonl", b'{"model": "m",\n', "cannot be read: "),
        ("answers.csv", b"model,condition\n\xff,b,c\n", "cannot be read: "),
        ("answers.txt", b"model", "must be a .parquet, .jsonl or .csv file"),
    ],
)
def test_broken_files(
    tmp_path: Path, publication: Publication, name: str, content: bytes, expected: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    (line,) = lines_of(path, publication)
    assert line.startswith(expected)


def test_a_name_cannot_write_to_the_terminal(tmp_path: Path, publication: Publication) -> None:
    rows = spoilt("condition", "\x1b[31m\n", 3)(answer_rows(RUNS))
    (line,) = lines_of(write(tmp_path / "answers.jsonl", rows), publication)
    assert line.isprintable()
