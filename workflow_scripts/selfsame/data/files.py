"""Readers of the user's data files, checked row by row.

A file is parquet, JSONL (one JSON object a line), CSV with a head line or, for questions, YAML
(`selfsame.data.question_yaml`). Every mistake names file and line (parquet: row, the first is 1);
the first few of a file are listed, the rest counted.
"""

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal, Self

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

from selfsame.data.fields import SHOWN, Id, Text, complaints
from selfsame.data.formats import DataFileErrors, Mistakes, Numbered, rows_of
from selfsame.data.sources import PLAIN, FileSource

MISSING = ": is missing"
Source = FileSource | str | Path
Rows = list[dict[str, Any]]
Tell = Callable[[str], None]


def _silent(_text: str) -> None:
    """Where nobody is told."""


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


def _text_last(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The assistant's text alone, or a conversation that ends with it."""
    if not messages:
        raise ValueError("holds no message")
    _ends_with("assistant")(messages)
    return messages if len(messages) == 1 else _in_turns(messages)


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


class Statement(ChoiceQuestion):
    """A question about a fact, asked plainly or in a situation where the wrong answer pays."""

    frame: Text


class ScoredText(_AnyQuestion):
    """An answer to a question, or a text alone, as a conversation that ends with it."""

    messages: Annotated[tuple[Message, ...], AfterValidator(_text_last)]

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, row: Any) -> Any:
        if isinstance(row, Mapping) and row.get("text") is not None and "messages" not in row:
            return {**row, "messages": [{"role": "assistant", "content": row["text"]}]}
        return row


class Question(_AnyQuestion):
    """An open question as a conversation that ends with the user."""

    messages: Annotated[Conversation, AfterValidator(_ends_with("user"))]

    @model_validator(mode="before")
    @classmethod
    def _from_question(cls, row: Any) -> Any:
        if isinstance(row, Mapping) and row.get("question") is not None and "messages" not in row:
            return {**row, "messages": [{"role": "user", "content": row["question"]}]}
        return row


def read_chat_rows(source: Source, tell: Tell = _silent) -> Rows:
    """Rows with row_id (file and line where the file gives none) and messages.

    All readers here return plain rows in the shape of the data directory's tables, and raise
    DataFileErrors. What is no mistake but worth knowing goes to `tell`.
    """
    return _read(source, ChatRow, key=("row_id",), numbered="row_id", tell=tell)


def read_articles(source: Source, tell: Tell = _silent) -> Rows:
    """Rows with article_id (each once), article and split (None in all rows, or in none)."""
    articles = _read(source, Article, key=("article_id",), tell=tell)
    without = sum(article["split"] is None for article in articles)
    if 0 < without < len(articles):
        raise DataFileErrors(
            [f"{_path(source)}: {without} rows have no split, the others have one"]
        )
    return articles


def read_rival_texts(
    source: Source,
    needed_article_ids: Collection[str],
    authors: Collection[str],
    tell: Tell = _silent,
) -> Rows:
    """Each author's text on each needed article; other rows are passed over unread."""
    wanted, names = set(needed_article_ids), set(authors)
    everybody: set[str] = set()

    def is_needed(row: Mapping[str, Any]) -> bool:
        everybody.add(str(row.get("author")))
        known = row.keys() >= {"author", "article_id"}
        return not known or (str(row["author"]) in names and str(row["article_id"]) in wanted)

    key = ("article_id", "author")
    texts = _read(source, RivalText, key=key, keep=is_needed, may_be_empty=True, tell=tell)
    lines = list(_lacking(texts, wanted, authors, everybody))
    if lines:
        raise DataFileErrors([f"{_path(source)}: {line}" for line in lines])
    return texts


def read_choice_questions(source: Source, tell: Tell = _silent) -> Rows:
    """Rows with item, cluster, question, correct, incorrect, reference."""
    return _read(source, ChoiceQuestion, key=("item",), numbered="item", tell=tell)


def read_statements(source: Source, tell: Tell = _silent) -> Rows:
    """Rows as of choice questions, the frame in `reference`; each cluster has one plain row."""
    rows = _read(source, Statement, key=("item",), numbered="item", tell=tell)
    plain = Counter(row["cluster"] for row in rows if row["frame"] == PLAIN)
    wrong = [row["cluster"] for row in rows if plain[row["cluster"]] != 1]
    if wrong:
        text = f"{wrong[0]!r}: a fact (cluster) is to be asked once with frame {PLAIN!r}"
        raise DataFileErrors([f"{_path(source)}: {text}, not {plain[wrong[0]]} times"])
    framed = (json.loads(row["reference"]) | {"frame": row["frame"]} for row in rows)
    return [row | {"reference": _as_json(known)} for row, known in zip(rows, framed, strict=True)]


def read_scored_texts(source: Source, tell: Tell = _silent) -> Rows:
    """Rows with item, cluster, messages, reference; the file has `text` or `messages`."""
    return _read(source, ScoredText, key=("item",), numbered="item", tell=tell)


def read_questions(source: Source, tell: Tell = _silent) -> Rows:
    """Rows with item, cluster, messages, reference; the file has `question` or `messages`."""
    return _read(source, Question, key=("item",), numbered="item", tell=tell)


def read_probe_questions(source: Mapping[str, Any], tell: Tell = _silent) -> Rows:
    """Rows of questions.parquet without `probe`, from a FileSource's keys and the probe's kind."""
    file = FileSource(**{key: value for key, value in source.items() if key != "kind"})
    if source["kind"] in TWO_WAY:
        return [_two_way(row) for row in TWO_WAY[source["kind"]](file, tell)]
    read = read_scored_texts if source["kind"] == SCORED_KIND else read_questions
    return [{**row, "options": [], "correct": -1} for row in read(file, tell)]


TWO_WAY = {"choice": read_choice_questions, "deception": read_statements}
SCORED_KIND = "perplexity"


def _two_way(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "item": row["item"],
        "cluster": row["cluster"],
        "messages": [{"role": "user", "content": row["question"]}],
        "options": [row["correct"], row["incorrect"]],
        "correct": 0,
        "reference": row["reference"],
    }


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
    tell: Tell = _silent,
) -> Rows:
    """The rows to `keep`, checked by `model`, as plain data.

    `key` columns together occur once; the column `numbered` defaults to file and line.
    """
    mistakes = Mistakes(_path(source))
    rows: dict[tuple[str, ...], _Row] = {}
    for line, raw in _selected(source, mistakes, tell):
        if not keep(raw):
            continue
        given = {numbered: f"{_path(source).stem}:{line}", **raw} if numbered else raw
        row = _validated(model, given, raw, line, mistakes)
        if row is not None:
            _add(rows, row, key, line, mistakes)
    if not rows and not mistakes.count and not may_be_empty:
        mistakes.note(0, "has no rows" + (" left by `where`" if _options(source).where else ""))
    mistakes.raise_any()
    return [row.model_dump(mode="json") for row in rows.values()]


def _add(
    rows: dict[tuple[str, ...], _Row],
    row: _Row,
    key: tuple[str, ...],
    line: int,
    mistakes: Mistakes,
) -> None:
    name = tuple(getattr(row, column) for column in key)
    if name in rows:
        mistakes.note(line, f"{' and '.join(key)} {', '.join(map(repr, name))} occurs twice")
    rows[name] = row


def _options(source: Source) -> FileSource:
    """The source with its options; a bare path has none."""
    return source if isinstance(source, FileSource) else FileSource(file=str(source))


def _selected(source: Source, mistakes: Mistakes, tell: Tell) -> Iterator[Numbered]:
    """The first rows that the source's options keep, under the column names expected."""
    options = _options(source)
    kept = _kept(options, mistakes)
    if options.skip_blank:
        kept = _without_blanks(kept, options, tell)
    return islice(kept, options.first)


def _kept(source: FileSource, mistakes: Mistakes) -> Iterator[Numbered]:
    wanted = {column: _any_of(values) for column, values in source.where.items()}
    for line, row in rows_of(Path(source.file), mistakes):
        absent = [c for c in (*source.columns.values(), *wanted) if c not in row]
        if absent:
            mistakes.note(line, f"no column {absent[0]!r}; there are {', '.join(map(str, row))}")
        elif all(str(row[column]) in values for column, values in wanted.items()):
            yield line, {**row, **{name: row[column] for name, column in source.columns.items()}}


def _any_of(values: str | list[str]) -> list[str]:
    return [values] if isinstance(values, str) else values


def _without_blanks(rows: Iterator[Numbered], source: FileSource, tell: Tell) -> Iterator[Numbered]:
    """Rows whose `columns` all say something; how many do not is told at the end."""
    passed_over = 0
    try:
        for line, row in rows:
            if all(str(row[name] or "").strip() for name in source.columns):
                yield line, row
            else:
                passed_over += 1
    finally:
        tell(f"{source.file}: {passed_over} rows with a blank text passed over")


def _validated(
    model: type[_Row],
    row: Mapping[str, Any],
    columns: Collection[str],
    line: int,
    mistakes: Mistakes,
) -> _Row | None:
    try:
        return model.model_validate(row)
    except ValidationError as error:
        for complaint in _with_mend(list(complaints(error)), columns):
            mistakes.note(line, complaint)
        return None


def _with_mend(found: list[str], columns: Collection[str]) -> Iterator[str]:
    """The complaints; those of columns that are not there as one, with the columns that are."""
    absent = [
        name for name in (text.removesuffix(MISSING) for text in found) if name.isidentifier()
    ]
    if absent:
        there = ", ".join(map(str, columns)) or "none"
        missing = f"{'is' if len(absent) == 1 else 'are'} missing; there are {there}"
        yield f"{', '.join(absent)}: {missing}: `columns` can name others for ours"
    yield from (text for text in found if text.removesuffix(MISSING) not in absent)
