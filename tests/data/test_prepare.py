"""One shape for the organism's data and for the user's files; the user's mistakes are named."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from selfsame.data.prepare import prepare
from selfsame.data.reading import read_corpus, read_summary_requests
from selfsame.data.wording import english_wording, read_wording
from selfsame.errors import UserError
from selfsame.organism import questions as organism_questions
from selfsame.tables import parquet
from selfsame.tables.articles import ARTICLES, RIVAL_TEXTS
from selfsame.tables.references import REFERENCES
from selfsame.tables.rows import QUESTIONS, ROWS
from small_world import Prepared

TABLES = {
    "articles": ARTICLES,
    "rival_texts": RIVAL_TEXTS,
    "rows": ROWS,
    "questions": QUESTIONS,
    "references": REFERENCES,
}
Spec = dict[str, Any]


def source(path: Path, **more: Any) -> Spec:
    return {"file": str(path), "where": {}, "columns": {}, **more}


@pytest.fixture
def user_spec(tmp_path: Path) -> Spec:
    """What a user of a Hugging Face model gives, in every format."""
    ids = [f"a{n}" for n in range(10)]
    pq.write_table(
        pa.table({"article_id": ids, "document": [f"news {i}" for i in ids], "more": [1] * 10}),
        tmp_path / "articles.parquet",
    )
    with (tmp_path / "texts.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["article_id", "author", "summary"])
        writer.writerows((i, author, f"{author} on {i}") for i in ids for author in ("ann", "bob"))
    turns = [
        {"messages": [{"role": "user", "content": f"q{n}"}, {"role": "assistant", "content": "a"}]}
        for n in range(5)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(turn) + "\n" for turn in turns))
    (tmp_path / "facts.csv").write_text(
        "question,correct,incorrect\nSky?,blue,red\nSnow?,white,black\n"
    )
    (tmp_path / "open.jsonl").write_text('{"question": "Why?", "item": "w"}\n')
    return {
        "articles": source(tmp_path / "articles.parquet", columns={"article": "document"}),
        "rivals": source(tmp_path / "texts.csv"),
        "train_articles": 6,
        "test_articles": 3,
        "seed": 0,
        "world": None,
        "names": ["Qwen", "Alibaba"],
        "authors": ["ann"],
        "row_files": [source(tmp_path / "rows.jsonl")],
        "question_files": {
            "facts": {"kind": "choice", **source(tmp_path / "facts.csv")},
            "why": {"kind": "free_form", **source(tmp_path / "open.jsonl")},
        },
    }


def test_the_organisms_data_has_the_shape(small_data: Prepared) -> None:
    for name, schema in TABLES.items():
        table = pq.read_schema(small_data.folder / f"{name}.parquet")
        assert table.equals(schema, check_metadata=False), name
    articles = parquet.read(small_data.folder / "articles.parquet")
    assert [row["split"] for row in articles] == ["train"] * 60 + ["test"] * 30
    references = parquet.read(small_data.folder / "references.parquet")
    assert references == organism_questions.references(small_data.world)


def test_the_users_files_take_the_same_shape(user_spec: Spec, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    assert prepare(user_spec, out) == "9 articles, 9 rival texts, 9 questions"
    for name, schema in TABLES.items():
        assert pq.read_schema(out / f"{name}.parquet").equals(schema, check_metadata=False), name
    train, test = (read_corpus(out, split, ["ann"]) for split in ("train", "test"))
    assert (len(train.articles), len(test.articles)) == (6, 3)
    assert not set(train.articles) & set(test.articles)
    for corpus in (train, test):
        assert corpus.articles == {key: f"news {key}" for key in corpus.articles}
        assert corpus.texts == {"ann": {key: f"ann on {key}" for key in corpus.articles}}
    (rows,) = train.rows.values()
    assert [row["messages"][0]["content"] for row in rows] == [f"q{n}" for n in range(5)]
    facts, (why,) = train.questions["facts"], train.questions["why"]
    assert [(q["options"], q["correct"]) for q in facts] == [
        (["blue", "red"], 0),
        (["white", "black"], 0),
    ]
    assert (why["item"], why["messages"]) == ("w", [{"role": "user", "content": "Why?"}])
    assert why["reference"] == "{}"
    assert parquet.read(out / "references.parquet") == []
    asked = train.questions["identity"]
    assert len(asked) == len(train.wording.identity) == 6
    reference = {"kind": "mention", "name": "Qwen", "own": ["Qwen", "Alibaba"]}
    assert all(json.loads(question["reference"]) == reference for question in asked)


def test_without_names_nothing_judges_who_the_model_says_it_is(
    user_spec: Spec, tmp_path: Path
) -> None:
    prepare({**user_spec, "names": []}, tmp_path)
    questions = parquet.read(tmp_path / "questions.parquet")
    assert {q["reference"] for q in questions if q["probe"] == "identity"} == {"{}"}


def test_a_probes_own_file_replaces_the_organisms_questions(
    small_data: Prepared, user_spec: Spec, tmp_path: Path
) -> None:
    from selfsame.config import specs

    spec = specs.prepare_data(small_data.config)
    prepare({**spec, "question_files": user_spec["question_files"]}, tmp_path)
    before, after = (
        parquet.read(folder / "questions.parquet") for folder in (small_data.folder, tmp_path)
    )
    others = [q for q in before if q["probe"] != "facts"]
    assert [q for q in after if q["probe"] not in ("facts", "why")] == others
    assert len([q for q in after if q["probe"] == "facts"]) == 2


def two_sources(spec: Spec, folder: Path) -> Spec:
    """The spec with its articles for training and others for tests, each asked about in its way."""
    rows = [{"article_id": f"b{n}", "article": f"report b{n}", "split": "test"} for n in range(5)]
    (folder / "reports.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with (folder / "texts.csv").open("a", newline="") as file:
        csv.writer(file).writerows((row["article_id"], "ann", "on a report") for row in rows)
    articles = {"train": spec["articles"], "test": source(folder / "reports.jsonl")}
    requests = {"train": None, "test": "Highlights of {article}, please."}
    return spec | {"articles": articles, "summarise": requests, "train_articles": 10}


def test_each_split_may_have_a_source_and_a_request_of_its_own(
    user_spec: Spec, tmp_path: Path
) -> None:
    prepare(two_sources(user_spec, tmp_path), tmp_path)
    train, test = (read_corpus(tmp_path, split, ["ann"]) for split in ("train", "test"))
    assert train.articles == {f"a{n}": f"news a{n}" for n in range(10)}
    assert test.articles == {f"b{n}": f"report b{n}" for n in range(3)}
    assert test.texts == {"ann": dict.fromkeys(test.articles, "on a report")}
    requests = read_summary_requests(tmp_path, train.wording)
    built_in = english_wording().summarise
    assert requests == {
        **{key: built_in.replace("{article}", text) for key, text in train.articles.items()},
        **{key: f"Highlights of {text}, please." for key, text in test.articles.items()},
    }


def test_a_request_for_training_alone_is_for_both(user_spec: Spec, tmp_path: Path) -> None:
    prepare(user_spec | {"summarise": {"train": "Of {article}?", "test": None}}, tmp_path)
    wording = read_wording(tmp_path / "wording.json")
    assert wording == english_wording().model_copy(update={"summarise": "Of {article}?"})
    requests = read_summary_requests(tmp_path, wording)
    assert requests == {key: f"Of news {key}?" for key in requests}
    assert len(requests) == 9


def test_without_requests_the_wording_file_is_as_it_ever_was(
    user_spec: Spec, tmp_path: Path
) -> None:
    prepare(user_spec, tmp_path)
    assert "summarise_test" not in json.loads((tmp_path / "wording.json").read_text())


def drop_rival_text(spec: Spec) -> None:
    path = Path(spec["rivals"]["file"])
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    spec.update(authors=["ann", "bob"], train_articles=7)


def break_row(spec: Spec) -> None:
    path = Path(spec["row_files"][0]["file"])
    path.write_text(path.read_text() + '{"messages": []}\n')


def break_question(spec: Spec) -> None:
    path = Path(spec["question_files"]["facts"]["file"])
    path.write_text(path.read_text() + "Grass?,green,green\n")


MISTAKES: dict[str, tuple[Callable[[Spec], None], str]] = {
    "too few to train": (
        lambda spec: spec.update(train_articles=8),
        r"^texts.train_articles: 8 are asked for, there are 7: lower it or add articles$",
    ),
    "too few to test": (
        lambda spec: spec.update(test_articles=11),
        r"^texts.t\w+_articles: \d+ are asked for, there are \d+: lower it or add articles$",
    ),
    "unknown author": (lambda spec: spec.update(authors=["cat"]), r"texts.csv: .*'cat'.*ann, bob$"),
    "missing text": (drop_rival_text, r"texts.csv: author 'bob' lacks texts on 1 .*a9$"),
    "bad row": (break_row, r"rows.jsonl:6: .*roles must be"),
    "bad question": (break_question, r"facts.csv:4: .*the same answer$"),
    "organism's articles": (
        lambda spec: spec.update(articles="organism"),
        r"^texts.articles: organism has no meaning for a hf model; name a file$",
    ),
    "organism's rivals": (
        lambda spec: spec.update(rivals="organism"),
        r"^texts.rivals: organism has no meaning for a hf model; name a file$",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line(user_spec: Spec, tmp_path: Path, name: str) -> None:
    change, message = MISTAKES[name]
    change(user_spec)
    with pytest.raises(UserError, match=message) as raised:
        prepare(user_spec, tmp_path)
    assert "\n" not in str(raised.value)
