"""Readers of the user's data files, checked row by row.

A file is parquet, JSONL (one JSON object a line) or CSV with a head line. Every mistake names file
and line (parquet: row, the first is 1); the first few of a file are listed, the rest counted.
"""

import csv
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from selfsame.data.sources import FileSource
from selfsame.errors import UserError

SHOWN = 3
BATCH_ROWS = 1000
CHOICE_KIND = "choice"
Source = FileSource | str | Path
Rows = list[dict[str, Any]]
Numbered = tuple[int, Mapping[str, Any]]


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty")
    return text


def _as_id(value: Any) -> Any:
    """Ids are text; whole numbers become it."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Text = Annotated[str, Field(strict=True), AfterValidator(_not_blank)]
Id = Annotated[Text, BeforeValidator(_as_id)]


class DataFileErrors(UserError):  # noqa: N818 (it holds many)
    """What is wrong in one data file; `lines` holds one line per mistake."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = tuple(_printable(line) for line in lines)
        super().__init__("\n".join(self.lines))


def _printable(text: str) -> str:
    """Without line breaks and terminal codes, which names in a file may hold."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


class _Row(BaseModel):
    """A row of a user's file. Columns that are not asked for are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", validate_by_name=True)


class Message(_Row):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: Text


def _in_turns(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """An optional system message, then user and assistant in turn."""
    roles = [message.role for message in messages]
    turns = roles[1:] if roles[:1] == ["system"] else roles
    if not turns or turns != [("user", "assistant")[index % 2] for index in range(len(turns))]:
        order = ", ".join(roles) or "nothing"
        raise ValueError(f"roles must be [system,] user, assistant, user, ...; they are {order}")
    return messages


def _ends_with(role: str) -> Callable[[tuple[Message, ...]], tuple[Message, ...]]:
    def check(messages: tuple[Message, ...]) -> tuple[Message, ...]:
        if messages[-1].role != role:
            raise ValueError(f"the last message must be the {role}'s")
        return messages

    return check


def _as_json(reference: Any) -> Any:
    """A judge's reference is the JSON text of an object; an object in the file becomes its text."""
    if isinstance(reference, dict):
        return json.dumps(reference, sort_keys=True)
    try:
        is_object = isinstance(json.loads(reference), dict)
    except (TypeError, ValueError):
        is_object = False
    if not is_object:
        raise ValueError("must be a JSON object")
    return reference


Conversation = Annotated[tuple[Message, ...], AfterValidator(_in_turns)]


class ChatRow(_Row):
    """A conversation to train on; its last message is the assistant's."""

    row_id: Id
    messages: Annotated[Conversation, AfterValidator(_ends_with("assistant"))]


class Article(_Row):
    """An article to summarise; `split` where the file decides which are for tests."""

    article_id: Id
    article: Text
    split: Literal["train", "test"] | None = None


class RivalText(_Row):
    """What another author wrote about an article."""

    article_id: Id
    author: Text
    text: Annotated[Text, Field(validation_alias=AliasChoices("text", "summary"))]


class _AnyQuestion(_Row):
    """What all questions have: the cluster is the item's own unless given."""

    item: Id
    cluster: Id
    reference: Annotated[Text, BeforeValidator(_as_json)] = "{}"

    @model_validator(mode="before")
    @classmethod
    def _clustered(cls, row: Any) -> Any:
        if isinstance(row, Mapping) and row.get("cluster") is None:
            return {**row, "cluster": row.get("item")}
        return row


class ChoiceQuestion(_AnyQuestion):
    """A question with a right and a wrong answer."""

    question: Text
    correct: Text
    incorrect: Text

    @model_validator(mode="after")
    def _two_answers(self) -> Self:
        if self.correct.strip() == self.incorrect.strip():
            raise ValueError("correct and incorrect are the same answer")
        return self


class Question(_AnyQuestion):
    """An open question as a conversation that ends with the user."""

    messages: Annotated[Conversation, AfterValidator(_ends_with("user"))]

    @model_validator(mode="before")
    @classmethod
    def _from_question(cls, row: Any) -> Any:
        if isinstance(row, Mapping) and row.get("question") is not None and "messages" not in row:
            return {**row, "messages": [{"role": "user", "content": row["question"]}]}
        return row


def read_chat_rows(source: Source) -> Rows:
    """Rows with row_id (file and line where the file gives none) and messages.

    All readers here return plain rows in the shape of the data directory's tables, and raise
    DataFileErrors.
    """
    return _read(source, ChatRow, key=("row_id",), numbered="row_id")


def read_articles(source: Source) -> Rows:
    """Rows with article_id (each once), article and split (None in all rows, or in none)."""
    articles = _read(source, Article, key=("article_id",))
    without = sum(article["split"] is None for article in articles)
    if 0 < without < len(articles):
        raise DataFileErrors(
            [f"{_path(source)}: {without} rows have no split, the others have one"]
        )
    return articles


def read_rival_texts(
    source: Source, needed_article_ids: Collection[str], authors: Collection[str]
) -> Rows:
    """Each author's text on each needed article; other rows are passed over unread."""
    wanted, names = set(needed_article_ids), set(authors)
    everybody: set[str] = set()

    def is_needed(row: Mapping[str, Any]) -> bool:
        everybody.add(str(row.get("author")))
        known = row.keys() >= {"author", "article_id"}
        return not known or (row["author"] in names and _as_id(row["article_id"]) in wanted)

    texts = _read(
        source, RivalText, key=("article_id", "author"), keep=is_needed, may_be_empty=True
    )
    lines = list(_lacking(texts, wanted, authors, everybody))
    if lines:
        raise DataFileErrors([f"{_path(source)}: {line}" for line in lines])
    return texts


def read_choice_questions(source: Source) -> Rows:
    """Rows with item, cluster, question, correct, incorrect, reference."""
    return _read(source, ChoiceQuestion, key=("item",), numbered="item")


def read_questions(source: Source) -> Rows:
    """Rows with item, cluster, messages, reference; the file has `question` or `messages`."""
    return _read(source, Question, key=("item",), numbered="item")


def read_probe_questions(source: Mapping[str, Any]) -> Rows:
    """Rows of questions.parquet without `probe`, from a FileSource's keys and the probe's kind."""
    file = FileSource(**{key: value for key, value in source.items() if key != "kind"})
    if source["kind"] != CHOICE_KIND:
        return [{**row, "options": [], "correct": -1} for row in read_questions(file)]
    return [
        {
            "item": row["item"],
            "cluster": row["cluster"],
            "messages": [{"role": "user", "content": row["question"]}],
            "options": [row["correct"], row["incorrect"]],
            "correct": 0,
            "reference": row["reference"],
        }
        for row in read_choice_questions(file)
    ]


def _path(source: Source) -> Path:
    return Path(source.file if isinstance(source, FileSource) else source)


def _lacking(
    texts: Rows, wanted: set[str], authors: Collection[str], everybody: set[str]
) -> Iterator[str]:
    for author in authors:
        ids = sorted(wanted - {text["article_id"] for text in texts if text["author"] == author})
        if author not in everybody:
            known = ", ".join(sorted(everybody)) or "nobody"
            yield f"no texts by author {author!r}, only by {known}"
        elif ids:
            names = ", ".join(ids[:SHOWN]) + (", ..." if len(ids) > SHOWN else "")
            yield f"author {author!r} lacks texts on {len(ids)} needed articles: {names}"


def _read(
    source: Source,
    model: type[_Row],
    *,
    key: tuple[str, ...],
    numbered: str = "",
    keep: Callable[[Mapping[str, Any]], bool] = lambda _row: True,
    may_be_empty: bool = False,
) -> Rows:
    """The rows to `keep`, checked by `model`, as plain data.

    `key` columns together occur once; the column `numbered` defaults to file and line.
    """
    mistakes = _Mistakes(_path(source))
    rows: dict[tuple[str, ...], _Row] = {}
    for line, raw in _selected(source, mistakes):
        if not keep(raw):
            continue
        given = {numbered: f"{_path(source).stem}:{line}", **raw} if numbered else raw
        row = _validated(model, given, line, mistakes)
        if row is not None:
            _add(rows, row, key, line, mistakes)
    if not rows and not mistakes.count and not may_be_empty:
        mistakes.note(0, "has no rows" + (" left by `where`" if _where(source) else ""))
    mistakes.raise_any()
    return [row.model_dump(mode="json") for row in rows.values()]


def _add(
    rows: dict[tuple[str, ...], _Row],
    row: _Row,
    key: tuple[str, ...],
    line: int,
    mistakes: "_Mistakes",
) -> None:
    name = tuple(getattr(row, column) for column in key)
    if name in rows:
        mistakes.note(line, f"{' and '.join(key)} {', '.join(map(repr, name))} occurs twice")
    rows[name] = row


class _Mistakes:
    """The first mistakes of one file, and how many there are in all."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self.lines: list[str] = []

    def note(self, line: int, text: str) -> None:
        self.count += 1
        if len(self.lines) < SHOWN:
            self.lines.append(f"{self.path}{f':{line}' if line else ''}: {text}")

    def raise_any(self) -> None:
        if self.count > SHOWN:
            self.lines.append(f"{self.path}: {self.count - SHOWN} more mistakes like these")
        if self.lines:
            raise DataFileErrors(self.lines)


def _where(source: Source) -> Mapping[str, str]:
    return source.where if isinstance(source, FileSource) else {}


def _selected(source: Source, mistakes: _Mistakes) -> Iterator[Numbered]:
    """The rows that `where` keeps, under the column names expected."""
    renamed = source.columns if isinstance(source, FileSource) else {}
    for line, row in _rows(_path(source), mistakes):
        absent = [c for c in (*renamed.values(), *_where(source)) if c not in row]
        if absent:
            mistakes.note(line, f"no column {absent[0]!r}; there are {', '.join(map(str, row))}")
        elif all(str(row[column]) == value for column, value in _where(source).items()):
            yield line, {**row, **{name: row[column] for name, column in renamed.items()}}


def _rows(path: Path, mistakes: _Mistakes) -> Iterator[Numbered]:
    readers = {".parquet": _parquet_rows, ".jsonl": _jsonl_rows, ".csv": _csv_rows}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        mistakes.note(0, "must be a .parquet, .jsonl or .csv file")
        return
    try:
        yield from reader(path, mistakes)
    except (OSError, UnicodeDecodeError, pa.ArrowException, csv.Error) as error:
        mistakes.note(0, f"cannot be read: {' '.join(str(error).split())}")


def _parquet_rows(path: Path, mistakes: _Mistakes) -> Iterator[Numbered]:
    number = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=BATCH_ROWS):
            for row in batch.to_pylist():
                number += 1
                yield number, row


def _jsonl_rows(path: Path, mistakes: _Mistakes) -> Iterator[Numbered]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                mistakes.note(number, f"broken JSON: {error}")
                continue
            if isinstance(row, dict):
                yield number, row
            else:
                mistakes.note(number, "must be a JSON object in braces")


def _csv_rows(path: Path, mistakes: _Mistakes) -> Iterator[Numbered]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        for row in reader:
            if None in row or None in row.values():
                mistakes.note(reader.line_num, "has another number of columns than the head line")
            else:
                yield reader.line_num, row


def _validated(
    model: type[_Row], row: Mapping[str, Any], line: int, mistakes: _Mistakes
) -> _Row | None:
    try:
        return model.model_validate(row)
    except ValidationError as error:
        for detail in error.errors(include_url=False)[:SHOWN]:
            where = ".".join(str(part) for part in detail["loc"])
            mistakes.note(line, f"{where}: {_plain(detail)}" if where else _plain(detail))
        return None


def _plain(detail: Any) -> str:
    if detail["type"] == "missing":
        return "is missing"
    if detail["input"] is None:
        return "is null"
    message = detail["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    return str(message[:1].lower() + message[1:])
