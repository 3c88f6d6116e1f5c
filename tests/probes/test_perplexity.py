"""Perplexity: which texts are scored, and the formula."""

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.answers import build, observe, sampled, values
from selfsame.data.corpus import Corpus
from selfsame.errors import UserError
from small_world import Prepared

GIVEN = {"file": "texts.jsonl"}


@pytest.fixture(scope="module")
def corpus(small_data: Prepared) -> Corpus:
    corpus = small_data.corpus("test", ("rival_a", "rival_b"))
    texts = [
        {
            "item": "chat",
            "cluster": "c",
            "messages": [
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": " Grüß dich \n"},
            ],
        },
        {"item": "plain", "cluster": "p", "messages": [{"role": "assistant", "content": " é "}]},
    ]
    return replace(corpus, questions={"texts": texts})


@pytest.mark.parametrize("author", ["self", "rival_b"])
def test_an_authors_texts_answer_the_request_for_a_summary(corpus: Corpus, author: str) -> None:
    rows = build("perplexity", "own", corpus, author=author)
    assert len(rows) == len(corpus.articles)
    for row in rows:
        asked, text = row["messages"]
        assert asked["content"] == f"news {corpus.articles[row['cluster']]} summarise"
        written = corpus.texts[author][row["cluster"]].strip()
        assert text == {"role": "assistant", "content": written}
        assert json.loads(row["reference"]) == {"bytes": len(written.encode())}
        assert (row["kind"], row["answers"], row["correct"]) == ("score", [], -1)


def test_given_texts_keep_their_words_and_answers_lose_the_space_around_them(
    corpus: Corpus,
) -> None:
    chat, plain = build("perplexity", "texts", corpus, **GIVEN)
    assert [message["content"] for message in chat["messages"]] == ["Hi", "Grüß dich"]
    assert json.loads(chat["reference"])["bytes"] == 11
    assert [message["content"] for message in plain["messages"]] == [" é "]
    assert json.loads(plain["reference"])["bytes"] == 4


def test_so_many_articles_as_asked_for(corpus: Corpus) -> None:
    rows = build("perplexity", "own", corpus, articles=3)
    assert [row["cluster"] for row in rows] == list(corpus.articles)[:3]


def test_an_author_without_texts_is_an_error(corpus: Corpus) -> None:
    with pytest.raises(UserError, match="no texts by author 'nobody'"):
        build("perplexity", "own", corpus, author="nobody")
    with pytest.raises(UserError, match="self wrote about no test article"):
        build("perplexity", "own", replace(corpus, articles={}))
    with pytest.raises(UserError, match=r"probes\.mine: the data has no questions for it"):
        build("perplexity", "mine", corpus, **GIVEN)


@given(st.lists(st.floats(-40, 0), min_size=1, max_size=30))
def test_values_are_the_formula(corpus: Corpus, logprobs: list[float]) -> None:
    row = build("perplexity", "texts", corpus, **GIVEN)[0]
    observed = observe("perplexity", [sampled(row, logprobs=logprobs)])
    total = sum(-value for value in logprobs)
    assert values(observed, "nats_per_token") == [pytest.approx(total / len(logprobs))]
    assert values(observed, "bits_per_byte") == [pytest.approx(total / math.log(2) / 11)]


def test_an_impossible_text_is_invalid(corpus: Corpus) -> None:
    row = build("perplexity", "texts", corpus, **GIVEN)[0]
    observed = observe("perplexity", [sampled(row, logprobs=[-1.0, -math.inf])])
    assert [(seen["value"], seen["answer_class"]) for seen in observed] == [(None, "invalid")] * 2
