"""One source of articles for both splits, or one for each: what may be written, what is checked."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from selfsame.config import specs
from selfsame.config.filecheck import check_files
from selfsame.config.kinds import Kinds
from selfsame.config.load import load_config
from selfsame.config.messages import ConfigErrors
from selfsame.config.schema import Config

Document = dict[str, Any]
Load = Callable[..., Config]
FACTS = {"licence": "MIT", "source": "somebody"}
NEWS = {"content": "articles", "columns": {"article": "document"}, **FACTS}
REGISTRY = {
    "short": {**NEWS, "url": "https://example.org/short.jsonl"},
    "long": {**NEWS, "url": "https://example.org/long.jsonl", "first": 4},
    "rows": {"content": "chat_rows", "url": "https://example.org/rows.jsonl", **FACTS},
}
BY_SPLIT = {"train": "short.jsonl", "test": {"file": "long.jsonl"}}
BY_DATASET = {"train": {"dataset": "short", "where": {"a": "b"}}, "test": {"dataset": "long"}}


def lines(rows: list[Document]) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def articles(letter: str) -> list[Document]:
    return [{"article_id": f"{letter}{n}", "article": f"{letter} text {n}"} for n in range(5)]


@pytest.fixture
def load(folder: Path, kinds: Kinds, tmp_path: Path) -> Load:
    """A config for a real model with these keys of `texts` over files of 5 articles each."""
    (folder / "datasets.yaml").write_text(json.dumps(REGISTRY))
    for name in ("short", "long"):
        (tmp_path / f"{name}.jsonl").write_text(lines(articles(name[0])))
    ids = [row["article_id"] for name in "sl" for row in articles(name)]
    rivals = [{"article_id": i, "author": a, "text": f"{a} {i}"} for i in ids for a in ("ann", "b")]
    (tmp_path / "rivals.jsonl").write_text(lines(rivals))
    (tmp_path / "lower.yaml").write_text("experiment: lower\n")

    def loaded(**texts: Any) -> Config:
        given = {"rivals": "rivals.jsonl", "train_rivals": ["ann"], "test_rivals": ["ann", "b"]}
        given |= {"train_articles": 4, "test_articles": 3} | texts
        model = {"kind": "hf", "hub_id": "owner/name"}
        document = {"experiment": "mine", "model": model, "texts": given, "extends": "lower.yaml"}
        (folder / "experiments/mine.yaml").write_text(yaml.safe_dump(document))
        return load_config("mine", folder, kinds)

    return loaded


def said(read: Callable[[], Any]) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        read()
    return [
        line.partition("mine.yaml:")[2].partition(": ")[2] or line for line in caught.value.lines
    ]


def test_files_and_datasets_of_both_splits_are_what_the_data_need(load: Load) -> None:
    config = load(articles=BY_SPLIT)
    assert specs.user_files(config) == ["long.jsonl", "rivals.jsonl", "short.jsonl"]
    assert specs.datasets(config) == []
    config = load(articles=BY_DATASET)
    assert specs.user_files(config) == ["rivals.jsonl"]
    assert specs.datasets(config) == ["long", "short"]
    source = {"file": "results/datasets/short/short.jsonl", "columns": {"article": "document"}}
    test = {**source, "file": "results/datasets/long/long.jsonl", "where": {}, "first": 4}
    assert specs.prepare_data(config)["articles"] == {
        "train": {**source, "dataset": "short", "where": {"a": "b"}},
        "test": {**test, "dataset": "long"},
    }


def test_one_source_has_the_spec_that_it_always_had(load: Load) -> None:
    spec = specs.prepare_data(load(articles="short.jsonl"))
    assert spec["articles"] == {"file": "short.jsonl", "where": {}, "columns": {}}
    assert "summarise" not in spec


def test_requests_reach_the_data_alone(load: Load) -> None:
    plain = load(articles=BY_SPLIT)
    config = load(articles=BY_SPLIT, summarise={"test": "What of {article}?"})
    requests = {"train": None, "test": "What of {article}?"}
    assert specs.prepare_data(config) == specs.prepare_data(plain) | {"summarise": requests}
    assert specs.collect_self_texts(config, "base") == specs.collect_self_texts(plain, "base")


@pytest.mark.parametrize(
    ("below", "above"),
    [
        ("short.jsonl", BY_SPLIT),
        ({"dataset": "long"}, BY_SPLIT),
        (BY_SPLIT, {"file": "long.jsonl"}),
    ],
)
def test_one_source_and_two_replace_each_other(
    load: Load, tmp_path: Path, below: Any, above: Any
) -> None:
    alone = load(articles=above)
    lower = {"experiment": "lower", "texts": {"articles": below}}
    (tmp_path / "lower.yaml").write_text(yaml.safe_dump(lower))
    assert load(articles=above).texts == alone.texts


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"train": "short.jsonl"}, "texts.articles.test: this key is required"),
        (
            {**BY_SPLIT, "tests": 3},
            "texts.articles.tests: unknown key; did you mean 'test'? Allowed: test, train",
        ),
        (
            {**BY_SPLIT, "test": {"dataset": "rows"}},
            "texts.articles.test.dataset: 'rows' holds chat_rows, and articles are wanted here;"
            " allowed: long, short",
        ),
        ({**BY_SPLIT, "test": "longer"}, "texts.articles.test: no such file: longer"),
        ({**BY_SPLIT, "test": 3}, "texts.articles.test: 3: must be a mapping of keys to values"),
        ({"file": "short.jsonl", "fisrt": 3}, "texts.articles.fisrt: unknown key; did you mean"),
    ],
)
def test_a_mistake_is_told_of_the_form_that_is_meant(
    load: Load, given: Document, expected: str
) -> None:
    (line,) = said(lambda: load(articles=given))
    assert line.startswith(expected)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ("Sum it up.", 'texts.summarise.test: "Sum it up.": must use the slot {article}, not none'),
        (
            "{title}: {article}",
            'texts.summarise.test: "{title}: {article}": must use the slot {article}, not'
            " {article}, {title}",
        ),
        ("", "texts.summarise.test:"),
    ],
)
def test_a_request_must_hold_the_article(load: Load, request_: str, expected: str) -> None:
    (line,) = said(lambda: load(articles=BY_SPLIT, summarise={"test": request_}))
    assert line.startswith(expected)


def test_an_organism_has_its_own_articles_and_words(folder: Path, kinds: Kinds) -> None:
    path = folder / "experiments/mine.yaml"
    texts: Document = {"articles": {"train": {"file": "a"}, "test": {"file": "b"}}}
    path.write_text(yaml.safe_dump({"experiment": "mine", "texts": texts}))
    wanted = "texts.articles: must be `organism` where model.kind is organism"
    assert wanted in said(lambda: load_config("mine", folder, kinds))
    texts = {"summarise": {"test": "{article} briefly", "train": "news {article} summarise"}}
    path.write_text(yaml.safe_dump({"experiment": "mine", "texts": texts}))
    (line,) = said(lambda: check_files(load_config("mine", folder, kinds)))
    assert line.startswith("texts.summarise.test: the organism's world has no word 'briefly'")


# The check of the rows before any job.


def test_sound_sources_pass(load: Load) -> None:
    check_files(load(articles=BY_SPLIT, train_articles=5, test_articles=5))


def test_each_source_must_have_enough(load: Load) -> None:
    config = load(articles=BY_SPLIT, train_articles=6)
    assert said(lambda: check_files(config)) == [
        "texts.train_articles: 6 are asked for, there are 5: lower it or add articles"
    ]
    config = load(articles=BY_SPLIT, test_articles=6)
    assert said(lambda: check_files(config)) == [
        "texts.test_articles: 6 are asked for, there are 5: lower it or add articles"
    ]


def test_a_source_that_is_there_is_counted_while_the_other_is_still_to_be_fetched(
    load: Load,
) -> None:
    sources = {"train": BY_DATASET["train"], "test": "long.jsonl"}
    check_files(load(articles=sources))
    config = load(articles=sources, test_articles=6)
    assert said(lambda: check_files(config)) == [
        "texts.test_articles: 6 are asked for, there are 5: lower it or add articles"
    ]


def test_one_article_in_both_sources_is_found(load: Load, tmp_path: Path) -> None:
    (tmp_path / "long.jsonl").write_text(lines([*articles("l"), articles("s")[2]]))
    (line,) = said(lambda: check_files(load(articles=BY_SPLIT)))
    assert line.startswith("texts.articles: 1 articles are in both train and test, the first is")
    assert "article_id 's2'" in line


def test_a_rival_must_have_written_on_the_articles_of_both(load: Load, tmp_path: Path) -> None:
    path = tmp_path / "rivals.jsonl"
    rows = path.read_text().splitlines(keepends=True)
    path.write_text("".join(row for row in rows if '"l1"' not in row and '"l4"' not in row))
    assert said(lambda: check_files(load(articles=BY_SPLIT))) == [
        f"texts.rivals: rivals.jsonl: author {name!r} lacks texts on 1 needed articles: l1"
        for name in ("ann", "b")
    ]
