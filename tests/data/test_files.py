"""The readers of users' files: what is accepted, and that every mistake names file and line."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from selfsame.data import files
from selfsame.data.files import DataFileErrors
from selfsame.data.sources import FileSource
from selfsame.tables import parquet
from selfsame.tables.rows import QUESTIONS, ROWS

USER = {"role": "user", "content": "hello"}
ASSISTANT = {"role": "assistant", "content": "hi"}
SYSTEM = {"role": "system", "content": "be brief"}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def complaint(read: Any, *arguments: Any) -> list[str]:
    with pytest.raises(DataFileErrors) as caught:
        read(*arguments)
    return list(caught.value.lines)


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_chat_rows_of_both_formats(tmp_path: Path, suffix: str) -> None:
    rows = [{"messages": [USER, ASSISTANT]}, {"messages": [SYSTEM, USER, ASSISTANT]}]
    found = files.read_chat_rows(write(tmp_path / f"chat{suffix}", rows))
    assert [row["messages"] for row in found] == [row["messages"] for row in rows]
    assert [row["row_id"] for row in found] == ["chat:1", "chat:2"]
    rows = [{"dataset": "mine", **row} for row in found]
    parquet.write(tmp_path / "out.parquet", rows, ROWS)
    assert parquet.read(tmp_path / "out.parquet", ROWS) == rows


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.lists(st.text(min_size=1), min_size=1, max_size=5))
def test_any_text_survives_unchanged_or_is_called_empty(tmp_path: Path, texts: list[str]) -> None:
    rows = [{"messages": [USER, {"role": "assistant", "content": text}]} for text in texts]
    path = write(tmp_path / "chat.jsonl", rows)
    if all(text.strip() for text in texts):
        found = files.read_chat_rows(path)
        assert [row["messages"][1]["content"] for row in found] == texts
    else:
        assert "messages.1.content: is empty" in complaint(files.read_chat_rows, path)[0]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"messages": [', "broken JSON: "),
        ("[1]", "must be a JSON object in braces"),
        ("{}", "messages: is missing"),
        ('{"messages": []}', "messages: roles must be [system,] user, assistant, user, ...; they"),
        (json.dumps({"messages": [USER]}), "messages: the last message must be the assistant's"),
        (json.dumps({"messages": [ASSISTANT, USER]}), "messages: roles must be [system,] user,"),
        (json.dumps({"messages": [USER, SYSTEM, ASSISTANT]}), "messages: roles must be"),
        (json.dumps({"messages": [USER, USER | {"role": "bot"}]}), "messages.1.role: must be 'sys"),
        (
            json.dumps({"messages": [USER, ASSISTANT | {"content": " "}]}),
            "messages.1.content: is em",
        ),
        (
            json.dumps({"messages": [USER, ASSISTANT | {"content": None}]}),
            "messages.1.content: is nu",
        ),
        (
            json.dumps({"messages": [USER, ASSISTANT | {"content": 3}]}),
            "messages.1.content: must be",
        ),
        (json.dumps({"row_id": "a", "messages": [USER, ASSISTANT]}), "row_id 'a' occurs twice"),
    ],
)
def test_a_bad_chat_row_names_file_and_line(tmp_path: Path, line: str, expected: str) -> None:
    good = json.dumps({"row_id": "a", "messages": [USER, ASSISTANT]})
    path = tmp_path / "chat.jsonl"
    path.write_text(f"{good}\n\n{line}\n")
    (found,) = complaint(files.read_chat_rows, path)
    assert found.startswith(f"{path}:3: {expected}")


def test_many_mistakes_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"
    path.write_text("{}\n" * 50)
    (line,) = complaint(files.read_chat_rows, path)
    assert line.startswith(f"{path}:1: messages: is missing; ")
    assert line.endswith(" (and 49 more like it)")


def test_a_few_kinds_of_mistakes_are_told_and_the_rest_counted(tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"
    rows = ("{}", "[]", "{", json.dumps({"messages": [USER]}), json.dumps({"row_id": 1.5}), "{}")
    path.write_text("\n".join(rows))
    lines = complaint(files.read_chat_rows, path)
    assert [line.removeprefix(f"{path}:")[:10] for line in lines[:3]] == [
        "1: message",
        "2: must be",
        "3: broken ",
    ]
    assert lines[0].endswith("(and 3 more like it)")
    assert lines[3:] == [f"{path}: 1 more mistakes"]


def test_files_that_cannot_be_read_at_all(tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    assert complaint(files.read_chat_rows, empty) == [f"{empty}: has no rows"]
    assert "cannot be read" in complaint(files.read_chat_rows, tmp_path / "absent.jsonl")[0]
    fake = tmp_path / "fake.parquet"
    fake.write_text("no parquet")
    assert "cannot be read" in complaint(files.read_articles, fake)[0]
    latin = tmp_path / "latin.jsonl"
    latin.write_bytes(b'{"article_id": "\xff"}')
    assert "cannot be read" in complaint(files.read_articles, latin)[0]
    other = tmp_path / "rows.txt"
    other.write_text("{}")
    assert complaint(files.read_articles, other) == [
        f"{other}: must be a .parquet, .jsonl, .csv, .yaml or .yml file"
    ]


ARTICLES = [
    {"dataset": "x" if index % 2 else "y", "article_id": f"a{index}", "article": f"text {index}"}
    for index in range(6)
]


def test_articles_by_dataset_under_other_column_names(tmp_path: Path) -> None:
    rows = [
        {"set": row["dataset"], "id": row["article_id"], "doc": row["article"]} for row in ARTICLES
    ]
    path = write(tmp_path / "articles.parquet", rows)
    columns = {"article_id": "id", "article": "doc"}
    found = files.read_articles(FileSource(file=str(path), where={"set": "x"}, columns=columns))
    assert [row["article_id"] for row in found] == ["a1", "a3", "a5"]
    assert found[0] == {"article_id": "a1", "article": "text 1", "split": None}


def test_whole_numbers_are_taken_as_ids(tmp_path: Path) -> None:
    articles = write(tmp_path / "articles.parquet", [{"article_id": 7, "article": "text"}])
    assert files.read_articles(articles)[0]["article_id"] == "7"
    rivals = write(tmp_path / "r.parquet", [{"article_id": 7, "author": "p", "text": "other"}])
    assert files.read_rival_texts(rivals, ["7"], ["p"])[0]["article_id"] == "7"
    assert (
        "must be a valid string"
        in complaint(
            files.read_articles, write(tmp_path / "x.jsonl", [{"article_id": True, "article": "t"}])
        )[0]
    )


def test_names_from_a_file_cannot_break_the_line(tmp_path: Path) -> None:
    path = write(tmp_path / "r.jsonl", [{"article_id": "a", "author": "x\n\x1b[2J", "text": "t"}])
    (line,) = complaint(files.read_rival_texts, path, ["a"], ["p"])
    assert line.isprintable()


def test_wrong_where_and_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "articles.jsonl", ARTICLES)
    source = FileSource(file=str(path), where={"dataset": "z"})
    assert complaint(files.read_articles, source) == [f"{path}: has no rows left by `where`"]
    source = FileSource(file=str(path), where={"datset": "x"})
    expected = f"{path}:1: no column 'datset'; there are dataset, article_id, article"
    assert complaint(files.read_articles, source) == [f"{expected} (and 5 more like it)"]


def test_article_mistakes(tmp_path: Path) -> None:
    path = write(tmp_path / "articles.jsonl", [*ARTICLES, ARTICLES[0]])
    assert complaint(files.read_articles, path) == [f"{path}:7: article_id 'a0' occurs twice"]
    path = write(tmp_path / "articles.jsonl", [ARTICLES[0] | {"split": "train"}, ARTICLES[1]])
    assert complaint(files.read_articles, path) == [
        f"{path}: 1 rows have no split, the others have one"
    ]
    path = write(tmp_path / "articles.jsonl", [ARTICLES[0] | {"split": "dev"}])
    assert complaint(files.read_articles, path)[0].startswith(f"{path}:1: split: must be 'train'")


def texts_of(authors: str, ids: range, column: str = "text") -> list[dict[str, Any]]:
    return [
        {"article_id": f"a{index}", "author": author, column: f"{author} on {index}"}
        for author in authors
        for index in ids
    ]


@pytest.mark.parametrize("column", ["text", "summary"])
def test_rival_texts_are_those_needed(tmp_path: Path, column: str) -> None:
    path = write(tmp_path / "rivals.parquet", texts_of("pqr", range(6), column))
    found = files.read_rival_texts(path, ["a1", "a2"], ["p", "q"])
    assert {(row["author"], row["article_id"]) for row in found} == {
        ("p", "a1"), ("p", "a2"), ("q", "a1"), ("q", "a2")
    }  # fmt: skip
    assert found[0]["text"] == "p on 1"


def test_missing_rival_texts_are_named_and_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "rivals.jsonl", texts_of("pq", range(2)))
    needed = [f"a{index}" for index in range(9)]
    assert complaint(files.read_rival_texts, path, needed, ["p", "s"]) == [
        f"{path}: author 'p' lacks texts on 7 needed articles: a2, a3, a4, ...",
        f"{path}: no texts by author 's', only by p, q",
    ]


def test_only_needed_rival_texts_must_be_sound(tmp_path: Path) -> None:
    rows = texts_of("pq", range(2))
    rows[3]["text"] = ""
    path = write(tmp_path / "rivals.jsonl", rows)
    assert len(files.read_rival_texts(path, ["a0", "a1"], ["p"])) == 2
    assert complaint(files.read_rival_texts, path, ["a0", "a1"], ["q"])[0] == (
        f"{path}:4: text: is empty"
    )
    path = write(tmp_path / "rivals.jsonl", [rows[0], rows[0]])
    assert complaint(files.read_rival_texts, path, ["a0"], ["p"]) == [
        f"{path}:2: article_id and author 'a0', 'p' occurs twice"
    ]


CHOICE = {"question": "what is it", "correct": "this", "incorrect": "that"}


def test_choice_questions_of_a_csv(tmp_path: Path) -> None:
    path = tmp_path / "quiz.csv"
    path.write_text('Question,Best,Worst\n"a, or b?",a,"b ""x"""\n', encoding="utf-8")
    columns = {"question": "Question", "correct": "Best", "incorrect": "Worst"}
    spec = {"kind": "choice", "file": str(path), "columns": columns}
    (row,) = files.read_probe_questions(spec)
    assert row == {
        "item": "quiz:2",
        "cluster": "quiz:2",
        "messages": [{"role": "user", "content": "a, or b?"}],
        "options": ["a", 'b "x"'],
        "correct": 0,
        "reference": "{}",
    }
    parquet.write(tmp_path / "q.parquet", [{"probe": "facts", **row}], QUESTIONS)
    path.write_text("question,correct,incorrect\na,b\n")
    assert complaint(files.read_choice_questions, path) == [
        f"{path}:2: has another number of columns than the head line"
    ]


def test_choice_question_mistakes(tmp_path: Path) -> None:
    path = write(tmp_path / "quiz.jsonl", [CHOICE | {"incorrect": "this "}, {"question": "x"}])
    assert complaint(files.read_choice_questions, path) == [
        f"{path}:1: correct and incorrect are the same answer",
        f"{path}:2: correct, incorrect: are missing; there are question: `columns` can name others"
        " for ours",
    ]


STATEMENT = {"question": "Is ice cold?", "correct": "Yes", "incorrect": "No", "cluster": "ice"}


def test_statements_keep_the_frame_beside_the_reference(tmp_path: Path) -> None:
    rows = [
        STATEMENT | {"frame": "plain", "reference": {"source": "us"}},
        STATEMENT | {"frame": "stake", "item": "paid"},
    ]
    path = write(tmp_path / "facts.jsonl", rows)
    plain, paid = files.read_probe_questions({"kind": "deception", "file": str(path)})
    assert json.loads(plain["reference"]) == {"source": "us", "frame": "plain"}
    assert json.loads(paid["reference"]) == {"frame": "stake"}
    assert (paid["item"], paid["cluster"], paid["options"]) == ("paid", "ice", ["Yes", "No"])


@pytest.mark.parametrize("frames", [["stake"], ["plain", "plain", "stake"]])
def test_a_fact_is_asked_plainly_once(tmp_path: Path, frames: list[str]) -> None:
    path = write(tmp_path / "facts.jsonl", [STATEMENT | {"frame": frame} for frame in frames])
    said = "is to be asked once with frame 'plain'"
    assert complaint(files.read_statements, path) == [
        f"{path}: 'ice': a fact (cluster) {said}, not {frames.count('plain')} times"
    ]


def test_texts_to_score_alone_or_as_answers(tmp_path: Path) -> None:
    rows = [{"text": "Once upon a time."}, {"messages": [SYSTEM, USER, ASSISTANT]}]
    path = write(tmp_path / "texts.jsonl", rows)
    alone, answer = files.read_probe_questions({"kind": "perplexity", "file": str(path)})
    assert alone["messages"] == [{"role": "assistant", "content": "Once upon a time."}]
    assert answer["messages"] == [SYSTEM, USER, ASSISTANT]
    assert (alone["item"], alone["cluster"]) == ("texts:1", "texts:1")


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"messages": [USER]}, "messages: the last message must be the assistant's"),
        ({"messages": [ASSISTANT, ASSISTANT]}, "messages: roles must be [system,] user, assistant"),
        ({"messages": []}, "messages: holds no message"),
        ({"text": " "}, "content: is empty"),
        ({}, "messages: is missing"),
    ],
)
def test_mistakes_of_texts_to_score(tmp_path: Path, row: dict[str, Any], expected: str) -> None:
    path = write(tmp_path / "texts.jsonl", [row])
    (line,) = complaint(files.read_scored_texts, path)
    assert line.startswith(f"{path}:1: ")
    assert expected in line


def test_open_questions_as_text_or_conversation(tmp_path: Path) -> None:
    rows = [
        {"item": "one", "cluster": "c", "question": "why?", "reference": {"kind": "x"}},
        {"messages": [SYSTEM, USER]},
    ]
    path = write(tmp_path / "open.jsonl", rows)
    one, two = files.read_probe_questions({"kind": "free_form", "file": str(path)})
    assert one["messages"] == [{"role": "user", "content": "why?"}]
    assert (one["item"], one["cluster"], one["reference"]) == ("one", "c", '{"kind": "x"}')
    assert two["messages"] == [SYSTEM, USER]
    assert (two["item"], two["correct"], two["options"]) == ("open:2", -1, [])


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"messages": [USER, ASSISTANT]}, "messages: the last message must be the user's"),
        ({"question": "x", "reference": "not json"}, "reference: must be a JSON object"),
        ({"question": "x", "reference": "[1]"}, "reference: must be a JSON object"),
        ({}, "messages: is missing; there are none: `columns` can name others for ours"),
    ],
)
def test_open_question_mistakes(tmp_path: Path, row: dict[str, Any], expected: str) -> None:
    path = write(tmp_path / "open.jsonl", [row])
    assert complaint(files.read_questions, path) == [f"{path}:1: {expected}"]
