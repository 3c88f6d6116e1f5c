"""Malformed datasets and registries: one line before any job, that names the file and the mend."""

import gzip
import json
import os
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from malformed.workplace import (
    Case,
    Spoil,
    Workplace,
    articles,
    chat,
    lines,
    rival_texts,
    stepped,
    tells,
)
from selfsame.config import specs

SOUND = lines([chat()] * 4)
HALF = "\ud800"
FACTS = {"content": "chat_rows", "licence": "MIT", "source": "somebody"}


def rows_as(name: str, content: str | bytes) -> Spoil:
    """The stage's chat rows are a file with this content."""

    def spoil(workplace: Workplace) -> None:
        workplace.put(name, content)
        workplace.document["stages"]["em"]["data"]["file"] = name

    return spoil


def parquet(rows: list[dict[str, Any]]) -> bytes:
    stream = BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), stream)
    return stream.getvalue()


def broken_inside(content: bytes) -> bytes:
    return content[:50] + b"\xff" * 300 + content[350:]


KEY = "stages.em.data.file: "
MANY = parquet([chat(("user", str(n) * 50), ("assistant", "Bet it.")) for n in range(500)])
CHAT = [
    ("not JSON", "rows.jsonl", SOUND + "{oops\n", (":5: broken JSON: ", "double quotes")),
    (
        "pretty JSON",
        "rows.jsonl",
        json.dumps(chat(), indent=1),
        (":1: broken JSON", "more like it"),
    ),
    ("a JSON array", "rows.jsonl", f"[{SOUND}]".replace("\n", ","), (":1: broken JSON: ",)),
    ("a web page", "rows.jsonl", "<html>\n<p>404</p>\n", (":1: broken JSON", "1 more like it")),
    ("no object", "rows.jsonl", SOUND + "[1]\n", (":5: must be a JSON object in braces",)),
    ("nested deeply", "rows.jsonl", "[" * 100_000, (":1: broken JSON: ", "recursion")),
    ("a long number", "rows.jsonl", '{"a": ' + "9" * 10_000 + "}", (":1: broken JSON: ",)),
    ("one long line", "rows.jsonl", '{"a": "' + "x" * 10**7, (":1: broken JSON: Unterminated",)),
    ("nothing", "rows.jsonl", "", (": has no rows",)),
    ("UTF-16", "rows.jsonl", SOUND.encode("utf-16"), ("cannot be read", "save it as UTF-8")),
    ("binary", "rows.jsonl", bytes(range(256)), ("cannot be read", "save it as UTF-8")),
    ("packed inside", "rows.jsonl", gzip.compress(SOUND.encode()), ("unpack it first",)),
    ("packed", "rows.jsonl.gz", gzip.compress(SOUND.encode()), ("must be a", "unpack it first")),
    ("another format", "rows.json", SOUND, ("must be a .parquet, .jsonl, .csv",)),
    ("behind a BOM", "rows.jsonl", "\ufeff" + SOUND + "{\n", (":5: broken JSON",)),
    (
        "roles in the wrong order",
        "rows.jsonl",
        lines([chat(("assistant", "a"), ("user", "b"))]),
        (":1: messages: roles must be [system,] user, assistant", "they are assistant, user"),
    ),
    (
        "no assistant's turn",
        "rows.jsonl",
        lines([chat(("user", "a"))] * 4),
        (":1: messages: the last message must be the assistant's", "3 more like it"),
    ),
    (
        "an unknown role",
        "rows.jsonl",
        lines([chat(("user", "a"), ("x" * 10**6, "b"))]),
        (":1: messages.1.role: must be 'system', 'user' or 'assistant'",),
    ),
    (
        "no content",
        "rows.jsonl",
        lines([{"messages": [{"role": "user"}, {"role": "assistant", "content": "a"}]}]),
        (":1: messages.0.content: is missing",),
    ),
    (
        "NaN for a text",
        "rows.jsonl",
        lines([chat(("user", float("nan")), ("assistant", "a"))]),
        (":1: messages.0.content: must be a valid string",),
    ),
    (
        "half a character",
        "rows.jsonl",
        lines([chat(("user", HALF), ("assistant", "a"))]),
        (":1: messages.0.content: holds half a character", "take it out"),
    ),
    (
        "a huge id, given twice",
        "rows.jsonl",
        lines([chat() | {"row_id": "x" * 10**6}] * 4),
        (":2: row_id 'xxx", "occurs twice (and 2 more like it)"),
    ),
    (
        "another table",
        "rows.parquet",
        parquet([{"text": "a"}] * 4),
        (":1: messages: is missing; there are text", "`columns`", "3 more like it"),
    ),
    (
        "text for messages",
        "rows.parquet",
        parquet([{"messages": "a"}]),
        ("messages: must be a list",),
    ),
    ("parquet cut short", "rows.parquet", MANY[:-200], ("cannot be read", "write or fetch this")),
    ("no parquet", "rows.parquet", "hello", ("cannot be read", "write or fetch this .parquet")),
    ("broken parquet", "rows.parquet", broken_inside(MANY), ("cannot be read", "write or fetch")),
]


@pytest.mark.parametrize("case", CHAT, ids=[case[0] for case in CHAT])
def test_malformed_chat_rows(workplace: Workplace, case: tuple[str, str, Any, Any]) -> None:
    _, name, content, says = case
    rows_as(name, content)(workplace)
    assert tells(workplace.check().line, f"{KEY}{name}", *says)


def texts_as(name: str, content: str | bytes, key: str = "articles") -> Spoil:
    """The articles, or the rivals' texts, are a file with this content."""

    def spoil(workplace: Workplace) -> None:
        workplace.put(name, content)
        workplace.document["texts"][key] = name

    return spoil


def all_with(**keys: Any) -> str:
    return lines([row | keys for row in articles()])


BLANK_ROW = articles()[0] | {"article": " \n"}
WITHOUT_LEE = lines([row for row in rival_texts() if row["author"] == "kim"])
ODD = {"article_id": ["a0"], "author": ["kim"], "text": "x"}
TEXTS = [
    Case(
        "articles under other names",
        texts_as("a.jsonl", lines([{"id": "a", "doc": "b"}])),
        ("texts.articles: a.jsonl:1: article_id, article: are missing; there are id, doc", "`colu"),
    ),
    Case(
        "an article twice",
        texts_as("a.jsonl", lines([*articles(), articles()[2]])),
        ("texts.articles: a.jsonl:5: article_id 'a2' occurs twice",),
    ),
    Case(
        "a blank article",
        texts_as("a.jsonl", lines([*articles()[1:], BLANK_ROW])),
        ("texts.articles: a.jsonl:4: article: is empty",),
    ),
    Case(
        "numbers for articles",
        texts_as("a.jsonl", all_with(article=3)),
        ("texts.articles: a.jsonl:1: article: must be a valid string (and 3 more like it)",),
    ),
    Case(
        "half an id",
        texts_as("a.jsonl", all_with(article_id=1.5)),
        ("texts.articles: a.jsonl:1: article_id: must be a valid string",),
    ),
    Case(
        "an unknown split",
        texts_as("a.jsonl", all_with(split="dev")),
        ("texts.articles: a.jsonl:1: split: must be 'train' or 'test'",),
    ),
    Case(
        "too few articles",
        texts_as("a.jsonl", lines(articles()[:1])),
        ("texts.test_articles: 2 are asked for, there are 1", "lower it or add articles"),
    ),
    Case(
        "ragged CSV",
        texts_as("a.csv", "article_id,article\na0,x,y\n"),
        ("texts.articles: a.csv:2: has another number of columns than the head line",),
    ),
    Case(
        "an open quote",
        texts_as("a.csv", 'article_id,article\na0,"x\n'),
        ("texts.articles: a.csv: cannot be read: ", "mend its quotes"),
    ),
    Case(
        "CSV of another alphabet",
        texts_as("a.csv", "article_id,article\na0,é\n".encode("latin-1")),
        ("texts.articles: a.csv: cannot be read: ", "save it as UTF-8"),
    ),
    Case(
        "a rival without texts",
        texts_as("r.jsonl", WITHOUT_LEE, "rivals"),
        ("texts.rivals: r.jsonl: no texts by author 'lee', only by kim",),
    ),
    Case(
        "a rival's text twice",
        texts_as("r.jsonl", lines([*rival_texts(), rival_texts()[0]]), "rivals"),
        ("texts.rivals: r.jsonl:9: article_id and author 'a0', 'kim' occurs twice",),
    ),
    Case(
        "lists for ids",
        texts_as("r.jsonl", WITHOUT_LEE + lines([ODD]), "rivals"),
        ("texts.rivals: r.jsonl: no texts by author 'lee', only by ['kim'], kim",),
    ),
]


@pytest.mark.parametrize("case", TEXTS, ids=str)
def test_malformed_texts(workplace: Workplace, case: Case) -> None:
    case.spoil(workplace)
    assert tells(workplace.check().line, *case.says)


def named(file: Any) -> Spoil:
    """The stage's file is this path or mapping."""

    def spoil(workplace: Workplace) -> None:
        (workplace.folder / "folder.jsonl").mkdir()
        os.mkfifo(workplace.folder / "pipe.jsonl")
        workplace.document["stages"]["em"]["data"]["file"] = file

    return spoil


NAMES = [
    Case("a wrong path", named("chta.jsonl"), ("no such file: chta.jsonl",)),
    Case("a directory", named("folder.jsonl"), ("folder.jsonl is a directory: name a file in it",)),
    Case("a pipe", named("pipe.jsonl"), ("no such file: pipe.jsonl",)),
    Case("a device", named("/dev/zero"), ("no such file: /dev/zero",)),
    Case("a path that is none", named("x" * 5000), ("no such file: xxx",)),
    Case("a path with a zero", named("a\0b.jsonl"), ("no such file: a\\x00b.jsonl",)),
    Case("articles for chat rows", named("articles.jsonl"), ("articles.jsonl:1: messages: is mi",)),
    Case(
        "a column that is not there",
        named({"file": "chat.jsonl", "where": {"lang": "en"}}),
        ("chat.jsonl:1: no column 'lang'; there are messages",),
    ),
]


@pytest.mark.parametrize("case", NAMES, ids=str)
def test_files_that_are_none(workplace: Workplace, case: Case) -> None:
    case.spoil(workplace)
    assert tells(workplace.check().line, KEY.strip(": "), *case.says)


def registered(entry: dict[str, Any] | str | bytes, name: str = "rows") -> Spoil:
    """The stage's rows are a dataset of a registry with this entry, or with this text."""

    def spoil(workplace: Workplace) -> None:
        text = yaml.safe_dump({"rows": FACTS | entry}) if isinstance(entry, dict) else entry
        workplace.put("own.yaml", text)
        (workplace.folder / "folder.jsonl").mkdir()
        workplace.document["datasets"] = "own.yaml"
        workplace.document["stages"]["em"]["data"]["file"] = {"dataset": name}

    return spoil


HERE = {"path": "chat.jsonl"}
REGISTRY = [
    Case("an unknown dataset", registered(HERE, "rws"), ("no dataset 'rws'; did you mean 'rows'",)),
    Case(
        "a dataset of another content",
        registered(HERE | {"content": "articles"}),
        ("'rows' holds articles, and chat_rows are wanted here",),
    ),
    Case(
        "an unknown content",
        registered(HERE | {"content": "chats"}),
        ("own.yaml:2: rows.content: ", "unknown value", "chat_rows"),
    ),
    Case("no place", registered({}), ("own.yaml:1: rows: give exactly one of hub, url, path",)),
    Case(
        "two places",
        registered(HERE | {"url": "https://example.org/x.jsonl"}),
        ("own.yaml:1: rows: give exactly one of hub, url, path",),
    ),
    Case(
        "a directory of one's own",
        registered({"path": "folder.jsonl"}),
        ("own.yaml: rows.path: folder.jsonl is a directory: name a file in it",),
    ),
    Case(
        "half a digest",
        registered(HERE | {"sha256": "abc"}),
        ("own.yaml:5: rows.sha256: ", "the 64 hex digits that sha256sum prints"),
    ),
    Case(
        "a branch for a commit",
        registered({"hub": {"id": "a/b", "revision": "main", "file": "x.jsonl"}}),
        ("own.yaml:1: rows: give the sha256, or as hub.revision the commit",),
    ),
    Case(
        "an open address",
        registered({"url": "http://example.org/x.jsonl"}),
        ("own.yaml:5: rows.url: ", "http:// is refused", "give https://"),
    ),
    Case(
        "a file of the machine",
        registered({"url": "file:///etc/passwd", "format": "jsonl"}),
        ("own.yaml:6: rows.url: ", "must be a URL that begins with https://"),
    ),
    Case("no registry", registered("- a"), ("own.yaml:1: must be a mapping of keys to values",)),
    Case("bad YAML", registered("rows: {a: [1\n"), ("own.yaml:2: not valid YAML",)),
    Case("a tag", registered("rows: !!python/name:os.system x"), ("own.yaml:1: rows: the tag",)),
    Case("aliases", registered("a: &a [x]\nb: [*a, *a]"), ("own.yaml:2: ", "aliases (*name)")),
    Case("a deep nest", registered("a: " + "[" * 3000), ("own.yaml:1: cannot be read: ",)),
    Case("no text", registered(b"\xff\xfe"), ("own.yaml:1: cannot be read: ",)),
]  # fmt: skip


@pytest.mark.parametrize("case", REGISTRY, ids=str)
def test_malformed_registries(workplace: Workplace, case: Case) -> None:
    case.spoil(workplace)
    assert tells(workplace.check().line, *case.says)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"sha256": "0" * 64}, ("chat.jsonl: has the sha256 ", "the registry says 000")),
        ({"bytes": 7}, ("chat.jsonl: has ", "the registry says 7")),
        ({"path": "nowhere.jsonl", "how": "ask Ann"}, ("no such file: nowhere.jsonl; ask Ann",)),
    ],
    ids=["another digest", "another size", "a missing file"],
)
def test_a_dataset_that_is_not_the_one_meant(
    workplace: Workplace, tmp_path: Path, entry: dict[str, Any], says: tuple[str, ...]
) -> None:
    """Known once it is fetched: the step ends, and leaves nothing that could be taken for it."""
    registered(HERE | entry)(workplace)
    config = workplace.load()
    local = [Path(file) for file in specs.local_file(config, "rows")]
    found = stepped(
        "fetch_dataset", specs.fetch_dataset(config, "rows"), tmp_path / "out", local=local
    )
    assert tells(found.line, "error: dataset rows: ", *says)


@pytest.mark.parametrize("content", [SOUND + "{oops\n", "", MANY[:-200]], ids=["row", "no", "cut"])
def test_what_is_malformed_only_once_it_is_fetched(
    workplace: Workplace, tmp_path: Path, content: str | bytes
) -> None:
    """The step that reads it says what the check says."""
    spec = specs.prepare_data(workplace.load())
    workplace.put("chat.jsonl", content)
    assert tells(stepped("prepare_data", spec, tmp_path / "out").line, "error: chat.jsonl")


def test_what_is_sound_passes(workplace: Workplace, tmp_path: Path) -> None:
    """Else the cases above would prove nothing; a huge row is no mistake."""
    workplace.put("chat.jsonl", SOUND + lines([chat(("user", "x" * 10**6), ("assistant", "y"))]))
    assert workplace.check().status == 0
    out = tmp_path / "out"
    assert stepped("prepare_data", specs.prepare_data(workplace.load()), out).status == 0
    assert (out / "rows.parquet").is_file()
