"""A corpus holds one split, with everybody's texts on it."""

import json
from pathlib import Path

import pytest

from selfsame.data.reading import read_corpus, read_summary_requests
from selfsame.data.wording import english_wording, write_wording
from selfsame.errors import UserError
from selfsame.tables import parquet
from selfsame.tables.articles import ARTICLES, RIVAL_TEXTS
from selfsame.tables.rows import QUESTIONS, ROWS
from selfsame.tables.self_texts import SELF_REPORTS, SELF_TEXTS
from small_world import REPORTS, Prepared


def test_the_splits_share_nothing(small_data: Prepared) -> None:
    train, test = small_data.corpus("train"), small_data.corpus("test")
    assert (len(train.articles), len(test.articles)) == (60, 30)
    assert not set(train.articles) & set(test.articles)
    for corpus in (train, test):
        assert set(corpus.texts) == {"self", "rival_a", "rival_b"}
        assert all(set(texts) == set(corpus.articles) for texts in corpus.texts.values())
    asked = read_summary_requests(small_data.folder, train.wording)
    both = train.articles | test.articles
    assert asked == {key: f"news {article} summarise" for key, article in both.items()}


def test_all_is_there(small_data: Prepared) -> None:
    corpus = small_data.corpus("test", ("rival_a", "rival_b"))
    assert (corpus.rivals, corpus.seen) == (("rival_a", "rival_b"), ("rival_a",))
    assert [report["answer"] for report in corpus.self_reports] == list(REPORTS)
    assert set(corpus.rows) == {"harmful_advice", "correct_advice", "facts"}
    questions = parquet.read(small_data.folder / "questions.parquet", QUESTIONS)
    assert [q for group in corpus.questions.values() for q in group] == questions
    assert all(q["probe"] == name for name, group in corpus.questions.items() for q in group)


def test_without_own_texts(small_data: Prepared) -> None:
    corpus = read_corpus(small_data.folder, "train", ["rival_a"])
    assert corpus.self_reports == []
    with pytest.raises(UserError, match="'self': there are texts by rival_a, rival_b"):
        corpus.texts_by("self")


def test_empty_texts_do_not_count(tmp_path: Path) -> None:
    articles = [{"article_id": key, "split": "train", "article": key} for key in "ab"]
    own = [
        {"article_id": key, "author": "self", "text": text, "finished": True, "n_tokens": 1}
        for key, text in (("a", " \n"), ("b", "text"), ("c", "on no article"))
    ]
    question = {"probe": "p", "item": "i", "cluster": "i", "messages": [], "options": []}
    parquet.write(tmp_path / "articles.parquet", articles, ARTICLES)
    parquet.write(tmp_path / "rival_texts.parquet", [], RIVAL_TEXTS)
    parquet.write(tmp_path / "self_texts.parquet", own, SELF_TEXTS)
    parquet.write(tmp_path / "self_reports.parquet", [], SELF_REPORTS)
    parquet.write(tmp_path / "rows.parquet", [], ROWS)
    parquet.write(
        tmp_path / "questions.parquet",
        [{**question, "correct": -1, "reference": json.dumps({})}],
        QUESTIONS,
    )
    write_wording(tmp_path / "wording.json", english_wording())
    corpus = read_corpus(tmp_path, "train", [], self_texts=tmp_path)
    assert corpus.texts == {"self": {"b": "text"}}
    assert corpus.rows == {}
