"""Which articles are trained on and which are for tests: from one source, or from one for each.

No text may be in both. A test article's text that turns up among the training articles as well is
passed over there.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from selfsame.data.formats import DataFileErrors
from selfsame.errors import UserError

TRAIN, TEST = "train", "test"
Rows = list[dict[str, Any]]
Spec = Mapping[str, Any]


def together(sources: Mapping[str, Rows]) -> Rows:
    """The articles of both splits' sources as rows with `split`, those for training first.

    Raises DataFileErrors for an article_id in both, and for rows that say they are of the other
    split.
    """
    lines = [line for split, rows in sources.items() for line in _of_the_other(split, rows)]
    lines += _in_both(sources)
    if lines:
        raise DataFileErrors(lines)
    return [row | {"split": split} for split in (TRAIN, TEST) for row in sources[split]]


def _of_the_other(split: str, rows: Rows) -> Iterator[str]:
    ids = [row["article_id"] for row in rows if row["split"] not in (None, split)]
    if ids:
        yield (
            f"texts.articles.{split}: {len(ids)} rows have another split than {split!r}, the first"
            f" is article_id {ids[0]!r}: add where: {{split: {split}}}"
        )


def _in_both(sources: Mapping[str, Rows]) -> Iterator[str]:
    train, test = ([row["article_id"] for row in sources[split]] for split in (TRAIN, TEST))
    shared = sorted({*train} & {*test})
    if shared:
        yield (
            f"texts.articles: {len(shared)} articles are in both train and test, the first is"
            f" article_id {shared[0]!r}: an article_id must be unique over both"
        )


def split_articles(
    articles: Rows, spec: Spec, tell: Callable[[str], None] = lambda _text: None
) -> Rows:
    """The first articles of each split as given, or of a seeded shuffle where none is given.

    An article with the text of one that is drawn for tests is not drawn for training; how many
    there are goes to `tell`. Raises UserError where a split has too few.
    """
    if any(row.get("split") is None for row in articles):
        articles = _shuffled(articles, spec)
    test = first_of(TEST, articles, spec)
    held_out = {_words(row) for row in test}
    train = [row for row in articles if row["split"] == TRAIN]
    others = [row for row in train if _words(row) not in held_out]
    if len(others) < len(train):
        tell(f"{len(train) - len(others)} training articles passed over: a test has the same text")
    return first_of(TRAIN, others, spec) + test


def first_of(split: str, articles: Rows, spec: Spec) -> Rows:
    """As many articles of a split as the spec asks for. Raises UserError if there are fewer."""
    rows, count = [row for row in articles if row["split"] == split], spec[f"{split}_articles"]
    if len(rows) < count:
        raise UserError(
            f"texts.{split}_articles: {count} are asked for, there are {len(rows)}:"
            " lower it or add articles"
        )
    return rows[:count]


def _shuffled(articles: Rows, spec: Spec) -> Rows:
    """In an order drawn by the seed, the first ones for tests."""
    order = np.random.default_rng(spec["seed"]).permutation(len(articles))
    tests = spec["test_articles"]
    names = [TEST] * tests + [TRAIN] * (len(articles) - tests)
    return [articles[i] | {"split": name} for i, name in zip(order, names, strict=False)]


def _words(row: Mapping[str, Any]) -> tuple[str, ...]:
    """The article's text whatever its white space."""
    return tuple(row["article"].split())
