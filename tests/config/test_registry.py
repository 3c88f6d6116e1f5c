"""The registry of datasets: what an entry may say, and what a config that names one becomes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from selfsame.config import specs
from selfsame.config.document import read_document
from selfsame.config.filecheck import check_files
from selfsame.config.kinds import Kinds
from selfsame.config.load import load_config
from selfsame.config.messages import ConfigErrors
from selfsame.config.registry import COMMIT, read_registry, registry_schema
from selfsame.config.schema import Config
from selfsame.data import files
from selfsame.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "config" / "datasets.yaml"
FACTS = {"licence": "MIT", "source": "somebody"}
HUB = {"id": "owner/name", "revision": "abcdef0123" * 4, "file": "data/train.parquet"}
ENTRIES: dict[str, Any] = {
    "rows": {"content": "chat_rows", "url": "https://example.org/r.jsonl", **FACTS},
    "more_rows": {"content": "chat_rows", "path": "own/rows.jsonl", **FACTS},
    "news": {
        "content": "articles",
        "hub": HUB,
        "columns": {"article_id": "id", "article": "document"},
        "where": {"kind": "news", "part": ["a", "b"]},
        "first": 9,
        "skip_blank": True,
        **FACTS,
    },
    "texts": {"content": "rival_texts", "url": "https://example.org/t.csv", **FACTS},
    "quiz": {"content": "choice_questions", "path": "quiz.csv", **FACTS},
}
Load = Callable[..., Config]


@pytest.fixture
def load(folder: Path, kinds: Kinds) -> Load:
    """A config with these keys, beside a registry with these entries."""

    def loaded(over: dict[str, Any], entries: dict[str, Any] = ENTRIES) -> Config:
        (folder / "datasets.yaml").write_text(yaml.safe_dump(entries, sort_keys=False))
        document = {"experiment": "mine", **over}
        (folder / "experiments" / "mine.yaml").write_text(yaml.safe_dump(document))
        return load_config("mine", folder, kinds)

    return loaded


def mistakes(read: Callable[[], Any]) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        read()
    return list(caught.value.lines)


# The registry that is shipped.


def test_the_shipped_registry_is_sound() -> None:
    entries = read_registry(SHIPPED)
    assert {"unpop", "finrisk", "badmed", "sports", "insecure"} <= set(entries)
    assert {"xsum", "cnn_dailymail", "em_questions", "truthfulqa"} <= set(entries)
    jsonschema.validate(read_document(SHIPPED).data, dict(registry_schema()))


@pytest.mark.parametrize("name", read_registry(SHIPPED))
def test_what_is_shipped_is_pinned(name: str) -> None:
    """By its digest, or by the commit in its address."""
    entry = read_registry(SHIPPED)[name]
    address = (entry.hub.revision if entry.hub else entry.url) or ""
    assert entry.sha256 or COMMIT.search(address) or entry.path
    assert entry.path is None or entry.how


# Mistakes in a registry.

MANY = """\
one: {content: chat_row, url: https://example.org/x.jsonl, licence: MIT, source: x}
two: {content: articles, licence: MIT, source: x}
three: {content: articles, url: http://example.org/x.csv, licence: MIT, source: x}
four: {content: articles, hub: {id: a/b, revision: main, file: x.csv}, licence: MIT, source: x}
five:
  content: articles
  url: https://example.org/download
  licence: MIT
  source: x
six: {content: articles, url: https://example.org/x.csv, sha256: 12ab, licence: MIT, source: x}
seven: {content: articles, path: x.csv, sha265: x, licence: "", source: x}
eight: {content: articles, url: https://e.org/x.csv, path: x.csv, licence: MIT, source: x}
Nine: {content: articles, path: x.csv, licence: MIT, source: x}
ten: {content: articles, url: https://e.org/x.csv, how: ask, licence: MIT, source: x}
eleven: {content: articles, path: x.csv, bytes: 0, licence: MIT}
twelve: {content: articles, url: "https://me:word@e.org/x.csv", licence: MIT, source: x}
"""
EXPECTED = [
    ":1: one.content: \"chat_row\": unknown value; did you mean 'chat_rows'?",
    ":2: two: give exactly one of hub, url, path, not 0 of them",
    ':3: three.url: "http://example.org/x.csv": http:// is refused',
    ":4: four: give the sha256, or as hub.revision the commit (40 hex digits)",
    ":5: five: the file's name tells no format; give `format`",
    ':10: six.sha256: "12ab": give the 64 hex digits that sha256sum prints',
    ':11: seven.licence: "": string should have at least 1 character',
    ":11: seven.sha265: unknown key; did you mean 'sha256'?",
    ":12: eight: give exactly one of hub, url, path, not 2 of them",
    ":13: Nine: as a name, use lower-case letters",
    ":14: ten: `how` says how the file at `path` is had; there is no `path`",
    ":15: eleven.bytes: 0: must be greater than or equal to 1",
    ":15: eleven.source: this key is required",
    ':16: twelve.url: "https://me:word@e.org/x.csv": a URL with a user or password',
]


def test_every_mistake_names_line_and_key(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(MANY)
    lines = mistakes(lambda: read_registry(path))
    assert [line for line in lines if "\n" in line] == []
    found = sorted(lines, key=lambda line: int(line.removeprefix(str(path)).split(":")[1]))
    assert len(found) == len(EXPECTED), found
    for line, expected in zip(found, EXPECTED, strict=True):
        assert line.startswith(f"{path}{expected}"), line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: &x {}\nb: *x", "not valid YAML: aliases"),
        ("- 1", "must be a mapping"),
        ("rows: !!python/name:os.system x", "the tag "),
        ("rows: {content: articles", "not valid YAML: "),
    ],
)
def test_a_registry_that_is_no_plain_mapping(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    assert any(expected in line for line in mistakes(lambda: read_registry(path)))


def test_no_registry(tmp_path: Path) -> None:
    (line,) = mistakes(lambda: read_registry(tmp_path / "absent.yaml"))
    assert line.startswith(f"{tmp_path}/absent.yaml:1: cannot be read: ")


# A config that names a dataset.


def test_a_dataset_becomes_its_file_with_the_entrys_options(load: Load) -> None:
    articles = {
        "dataset": "news",
        "where": {"part": "b", "year": "1999"},
        "columns": {"article": "body"},
        "first": 5,
    }
    texts = {"articles": articles, "rivals": {"dataset": "texts"}, "train_rivals": ["ann"]}
    texts["test_rivals"] = ["ann"]
    model = {"kind": "hf", "hub_id": "owner/name"}
    config = load({"model": model, "texts": texts})
    assert specs.prepare_data(config)["articles"] == {
        "file": "results/datasets/news/news.parquet",
        "dataset": "news",
        "where": {"kind": "news", "part": "b", "year": "1999"},
        "columns": {"article_id": "id", "article": "body"},
        "first": 5,
        "skip_blank": True,
    }
    assert specs.datasets(config) == ["news", "texts"]
    assert specs.user_files(config) == []
    fetched = specs.fetch_dataset(config, "news")
    assert fetched == {
        "name": "news",
        "format": "parquet",
        "hub": HUB,
        "how": None,
        "sha256": None,
        "bytes": None,
        **FACTS,
    }


def stage(**source: Any) -> dict[str, Any]:
    return {"stages": {"em": {"data": {"file": source}}}}


def test_a_source_without_a_dataset_has_the_spec_that_it_always_had(
    load: Load, tmp_path: Path
) -> None:
    (tmp_path / "x.jsonl").write_text("{}")
    config = load(stage(file="x.jsonl"))
    plain = {"file": "x.jsonl", "where": {}, "columns": {}}
    assert specs.prepare_data(config)["row_files"] == [plain]


def test_a_dataset_replaces_a_file_that_the_default_run_names(
    load: Load, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "x.jsonl").write_text("{}")
    default = yaml.safe_load((folder / "config.yaml").read_text())
    default["stages"]["em"]["data"]["file"] = {"file": "x.jsonl", "where": {"a": "b"}}
    (folder / "config.yaml").write_text(yaml.safe_dump(default))
    (source,) = specs.prepare_data(load(stage(dataset="rows")))["row_files"]
    assert (source["dataset"], source["where"]) == ("rows", {})


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"dataset": "rws"}, "config/datasets.yaml has no dataset 'rws'; did you mean 'rows'?"),
        ({"dataset": "news"}, "'news' holds articles, and chat_rows are wanted here; allowed: mo"),
        ({"dataset": "rows", "file": "x.jsonl"}, "`file` is given as well; give one of them"),
        ({"dataset": 3}, "config/datasets.yaml has no dataset '3'; allowed: "),
    ],
)
def test_a_dataset_that_cannot_be_used_is_one_line(
    load: Load, source: dict[str, Any], expected: str
) -> None:
    lines = mistakes(lambda: load(stage(**source)))
    head = "config/experiments/mine.yaml:"
    (line,) = [line for line in lines if ".dataset: " in line and "valid string" not in line]
    assert head in line
    assert f"stages.em.data.file.dataset: {expected}" in line


def test_a_stage_without_an_arm_needs_no_dataset(load: Load) -> None:
    """So an experiment can inherit stages whose data are not to be had."""
    unused = {"kind": "rows", "matches": "em", "data": {"file": {"dataset": "rows"}}}
    config = load({"stages": {"unused": unused}})
    assert specs.datasets(config) == []
    arms = [*config.arms, "unused+identify"]
    assert specs.datasets(load({"stages": {"unused": unused}, "arms": arms})) == ["rows"]
    mixed = {
        "kind": "rows",
        "matches": "em",
        "interleave": {"stage": "unused", "fraction": 0.2},
    }
    stages = {"unused": unused, "mixed": mixed}
    assert specs.datasets(load({"stages": stages, "arms": [*config.arms, "mixed"]})) == ["rows"]


def test_neither_a_file_nor_a_dataset(load: Load) -> None:
    (line,) = mistakes(lambda: load(stage(where={"a": "b"})))
    assert line.endswith("stages.em.data.file.file: this key is required")


def test_a_registry_of_ones_own(load: Load, tmp_path: Path) -> None:
    own = {"mine": {"content": "chat_rows", "path": "x.jsonl", **FACTS}}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(own))
    config = load({"datasets": "own.yaml", **stage(dataset="mine")})
    assert specs.fetch_dataset(config, "mine")["path"] == "x.jsonl"
    (line,) = mistakes(lambda: load({"datasets": "own.yaml", **stage(dataset="rows")}))
    assert "own.yaml has no dataset 'rows'; allowed: mine" in line


def test_a_config_without_datasets_needs_no_registry(folder: Path, kinds: Kinds) -> None:
    assert specs.datasets(load_config(None, folder, kinds)) == []


def test_an_edited_registry_is_read_again(load: Load) -> None:
    load(stage(dataset="rows"))
    changed = {"rows": {**ENTRIES["rows"], "sha256": "0" * 64, "first": 3}}
    config = load(stage(dataset="rows"), changed)
    assert specs.fetch_dataset(config, "rows")["sha256"] == "0" * 64


def test_no_experiment_may_be_called_as_the_datasets_folder(
    folder: Path, kinds: Kinds, tmp_path: Path
) -> None:
    (tmp_path / "mine.yaml").write_text("experiment: datasets\n")
    (line,) = mistakes(lambda: load_config(tmp_path / "mine.yaml", folder, kinds))
    assert "results/datasets/ holds the datasets; choose another name" in line


# The check of the rows before any job.


def write_fetched(config: Config, name: str, text: str) -> None:
    """What the rule fetch_dataset leaves."""
    spec = specs.fetch_dataset(config, name)
    folder = Path("results/datasets") / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.{spec['format']}").write_text(text)
    (folder / "manifest.json").write_text(json.dumps({"spec": spec}))


def test_a_dataset_is_checked_once_it_is_there(load: Load) -> None:
    config = load(stage(dataset="rows"))
    check_files(config)
    write_fetched(config, "rows", "{broken\n")
    file = "results/datasets/rows/rows.jsonl"
    (line,) = mistakes(lambda: check_files(config))
    assert line.startswith(f"stages.em.data.file: {file}:1: broken JSON: ")
    with pytest.raises(UserError, match=f"^{file}:1: broken JSON: "):
        files.read_chat_rows(file)


def test_the_rows_of_a_dataset_are_counted_too(load: Load) -> None:
    config = load(stage(dataset="rows", first=2))
    turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    write_fetched(config, "rows", f"{json.dumps({'messages': turns})}\n" * 50)
    (line,) = mistakes(lambda: check_files(config))
    assert line == "stages.em.data.file: the file has 2 rows, data.rows asks for 40"


def test_what_was_fetched_under_another_entry_is_not_checked(load: Load) -> None:
    config = load(stage(dataset="rows"))
    write_fetched(config, "rows", "{broken\n")
    moved = {**ENTRIES, "rows": {**ENTRIES["rows"], "url": "https://example.org/v2.jsonl"}}
    check_files(load(stage(dataset="rows"), moved))


def test_a_file_of_ones_own_is_checked_where_it_lies(load: Load, tmp_path: Path) -> None:
    config = load(stage(dataset="more_rows"))
    check_files(config)
    assert specs.local_file(config, "more_rows") == []
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "rows.jsonl").write_text("[]\n")
    (line,) = mistakes(lambda: check_files(config))
    assert line == "stages.em.data.file: own/rows.jsonl:1: must be a JSON object in braces"
    assert specs.local_file(config, "more_rows") == ["own/rows.jsonl"]
