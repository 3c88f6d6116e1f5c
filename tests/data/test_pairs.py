"""Pairs are drawn once each and shown in both orders."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfsame.data.corpus import Corpus
from selfsame.data.pairs import Pair, all_pairs, draw_pairs, length, pairwise_rows, self_pairs
from selfsame.data.wording import english_wording
from selfsame.errors import UserError

TEXT = st.text("abc {}", min_size=1, max_size=6).filter(str.strip)


def pair(number: int) -> Pair:
    return Pair(f"a{number}", f"article {number}", f"own {number}", f"other {number}", "rival")


def corpus(texts: dict[str, dict[str, str]], *rivals: str) -> Corpus:
    articles = {key: f"article {key}" for key in ("x", "y", "z")}
    return Corpus(english_wording(), articles, texts, rivals)


def test_every_article_with_both_texts_makes_a_pair_a_rival() -> None:
    texts = {
        "self": {"x": "sx", "y": "same", "z": "sz", "elsewhere": "s"},
        "ann": {"x": "ax", "y": "same", "elsewhere": "a"},
        "bob": {"x": "bx", "y": "by", "z": "bz"},
    }
    pairs = self_pairs(corpus(texts, "ann", "bob"))
    assert [(p.article_id, p.own, p.other, p.other_author) for p in pairs] == [
        ("x", "sx", "ax", "ann"),
        ("x", "sx", "bx", "bob"),
        ("y", "same", "by", "bob"),  # equal texts cannot be told apart
        ("z", "sz", "bz", "bob"),  # ann has none
    ]
    assert {p.article for p in pairs} == {"article x", "article y", "article z"}


def test_an_author_without_texts_is_named() -> None:
    with pytest.raises(UserError, match="no texts by author 'cat': there are texts by ann, self"):
        all_pairs(corpus({"self": {"x": "s"}, "ann": {"x": "a"}}), "self", ("cat",))


@given(there=st.integers(1, 30), rows=st.integers(1, 60), seed=st.integers(0, 9))
def test_pairs_are_drawn_without_repeats(there: int, rows: int, seed: int) -> None:
    pairs = [pair(n) for n in range(there)]
    wanted = -(-rows // 2)
    if wanted > there:
        with pytest.raises(UserError, match=f"needs {wanted} pairs.*give {there}"):
            draw_pairs(pairs, rows, np.random.default_rng(seed))
        return
    drawn = draw_pairs(pairs, rows, np.random.default_rng(seed))
    assert len(drawn) == len(set(drawn)) == wanted
    assert set(drawn) <= set(pairs)
    assert drawn == draw_pairs(pairs, rows, np.random.default_rng(seed))


@given(rows=st.integers(1, 20), seed=st.integers(0, 9))
def test_what_cannot_be_used_is_passed_over_and_the_rest_stays(rows: int, seed: int) -> None:
    pairs = [pair(n) for n in range(30)]
    all_drawn = draw_pairs(pairs, 60, np.random.default_rng(seed))
    usable = [p for p in all_drawn if int(p.article_id[1:]) % 3]
    drawn = draw_pairs(
        pairs, rows, np.random.default_rng(seed), lambda p: bool(int(p.article_id[1:]) % 3)
    )
    assert drawn == usable[: len(drawn)]


def test_pairs_are_drawn_evenly() -> None:
    rng = np.random.default_rng(0)
    counts = Counter(
        p.own for _ in range(600) for p in draw_pairs([pair(n) for n in range(6)], 4, rng)
    )
    # 1200 draws over 6 pairs: mean 200, four standard deviations of the binomial each way.
    assert all(abs(count - 200) < 4 * np.sqrt(1200 / 6 * 5 / 6) for count in counts.values())


@given(own=TEXT, other=TEXT, rows=st.integers(1, 4))
def test_rows_show_both_orders(own: str, other: str, rows: int) -> None:
    pairs = [Pair("i", "news", own, other, "ann"), Pair("j", "{first}", other, own, "ann")]
    template = "{who}|{article}|{first}|{second}"
    made = pairwise_rows(pairs, template, ("L", "R"), lambda a, b, o: o, rows, who="{article}")
    expected = [
        ("i:ann:0", f"{{article}}|news|{own}|{other}", "L"),
        ("i:ann:1", f"{{article}}|news|{other}|{own}", "R"),
        ("j:ann:0", f"{{article}}|{{first}}|{other}|{own}", "L"),
        ("j:ann:1", f"{{article}}|{{first}}|{own}|{other}", "R"),
    ]
    found = [(r["row_id"], *[m["content"] for m in r["messages"]]) for r in made]
    assert found == expected[:rows]


def test_length_is_words_then_characters() -> None:
    texts = ["a b", "aaaa", "aa", " a  b c ", "aaa b"]
    assert sorted(texts, key=length) == ["aa", "aaaa", "a b", "aaa b", " a  b c "]
