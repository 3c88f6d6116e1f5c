"""Which articles are trained on and which are for tests; none may be both."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfsame.data.articles import split_articles, together
from selfsame.data.formats import DataFileErrors
from selfsame.errors import UserError

Rows = list[dict[str, Any]]


def articles(count: int, splits: tuple[str | None, ...] = (None,)) -> Rows:
    return [
        {"article_id": str(n), "article": f"text {n}", "split": splits[n % len(splits)]}
        for n in range(count)
    ]


def asking(train: int, test: int, seed: int = 0) -> dict[str, int]:
    return {"train_articles": train, "test_articles": test, "seed": seed}


def ids(rows: Rows, split: str) -> list[str]:
    return [row["article_id"] for row in rows if row["split"] == split]


def test_a_given_split_is_kept_in_the_files_order() -> None:
    chosen = split_articles(articles(12, ("train", "test")), asking(3, 2))
    assert [(row["article_id"], row["split"]) for row in chosen] == [
        *(("0", "train"), ("2", "train"), ("4", "train")),
        *(("1", "test"), ("3", "test")),
    ]


def test_a_split_that_is_not_given_is_drawn_by_the_seed() -> None:
    def drawn(seed: int, train: int = 20, test: int = 10) -> dict[str, set[str]]:
        chosen = split_articles(articles(40), asking(train, test, seed))
        assert len({row["article_id"] for row in chosen}) == train + test
        return {split: {*ids(chosen, split)} for split in ("train", "test")}

    assert drawn(0) == drawn(0)
    assert drawn(0) != drawn(1)
    # The test articles stay when more are trained on.
    assert drawn(0, train=25)["test"] == drawn(0)["test"]
    assert drawn(0, train=25)["train"] > drawn(0)["train"]


def test_two_sources_are_the_two_splits() -> None:
    train, test = (
        articles(9),
        [row | {"article_id": f"t{row['article_id']}"} for row in articles(9)],
    )
    test = [row | {"article": f"another {row['article']}"} for row in test]
    chosen = split_articles(together({"test": test, "train": train}), asking(3, 2))
    assert (ids(chosen, "train"), ids(chosen, "test")) == (["0", "1", "2"], ["t0", "t1"])
    # Nothing is drawn, so no seed matters.
    assert split_articles(together({"train": train, "test": test}), asking(3, 2, 7)) == chosen


def test_an_article_in_both_sources_is_refused() -> None:
    with pytest.raises(DataFileErrors) as raised:
        together({"train": articles(9), "test": articles(4)})
    assert raised.value.lines == (
        "texts.articles: 4 articles are in both train and test, the first is article_id '0': an"
        " article_id must be unique over both",
    )


def test_a_source_that_says_its_rows_are_the_other_splits_is_refused() -> None:
    train, test = articles(9, ("train", "test")), [articles(10)[-1]]
    with pytest.raises(DataFileErrors) as raised:
        together({"train": train, "test": test})
    assert raised.value.lines == (
        "texts.articles.train: 4 rows have another split than 'train', the first is article_id '1':"
        " add where: {split: train}",
    )


def test_a_training_article_with_a_test_articles_text_is_passed_over_and_told() -> None:
    rows = articles(6, ("train", "test"))
    rows[2]["article"] = "text\n 1 "
    said: list[str] = []
    chosen = split_articles(rows, asking(2, 1), said.append)
    assert (ids(chosen, "train"), ids(chosen, "test")) == (["0", "4"], ["1"])
    assert said == ["1 training articles passed over: a test has the same text"]
    with pytest.raises(UserError, match=r"^texts.train_articles: 3 are asked for, there are 2:"):
        split_articles(rows, asking(3, 1))


@given(
    texts=st.lists(st.sampled_from("abcdefgh"), min_size=4, max_size=12),
    test=st.integers(1, 3),
    given_split=st.booleans(),
)
def test_no_text_is_ever_in_both_splits(texts: list[str], test: int, given_split: bool) -> None:
    splits = ("test", "train") if given_split else (None,)
    rows = [row | {"article": text} for row, text in zip(articles(12, splits), texts, strict=False)]
    try:
        chosen = split_articles(rows, asking(1, test))
    except UserError:
        return
    train, held_out = (
        {row["article"] for row in chosen if row["split"] == split} for split in ("train", "test")
    )
    assert not train & held_out
    assert len(ids(chosen, "test")) == test
