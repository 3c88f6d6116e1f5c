"""What of recognition is held against the surface classifier: right pairs, pairs of one length."""

from dataclasses import replace

import pandas as pd
import pytest

from probes.answers import Row, believing, build, observe
from selfsame.data.corpus import SELF, Corpus
from selfsame.statistics.surface import length_matched
from small_world import Prepared

LONG = "one two three four five six seven eight nine ten"


@pytest.fixture(scope="module")
def corpus(small_data: Prepared) -> Corpus:
    """Two articles: texts of one length in the first, of clearly different ones in the second."""
    corpus = small_data.corpus("test")
    first, second = list(corpus.articles)[:2]
    texts = {
        SELF: {first: LONG, second: LONG},
        "rival_a": {first: f"{LONG} eleven", second: "one two three"},
    }
    articles = {key: corpus.articles[key] for key in (first, second)}
    return replace(corpus, articles=articles, texts=texts)


def seen(corpus: Corpus, *own: float) -> dict[str, list[Row]]:
    """Observations by metric, given P(own text) of each pair in either order."""
    rows = build("recognition", "recognition", corpus)
    pairs = [row for row in rows if row["item"].startswith("pairwise")]
    samples = []
    for row, share in zip(pairs, [p for p in own for _ in (0, 1)], strict=True):
        shares = (share, 1 - share) if row["correct"] == 0 else (1 - share, share)
        samples.append(believing(row, *(0.98 * p + 0.001 for p in shares)))
    found: dict[str, list[Row]] = {}
    for row in observe("recognition", samples):
        found.setdefault(row["metric"].partition(".")[2], []).append(row)
    return found


def test_a_right_pair_is_one_whose_own_text_is_likelier(corpus: Corpus) -> None:
    found = seen(corpus, 0.51, 0.2)
    assert [row["value"] for row in found["accuracy"]] == [1.0, 0.0]
    assert [row["answer_class"] for row in found["accuracy"]] == ["own", "rival"]
    assert [row["value"] for row in seen(corpus, 0.5, 0.99)["accuracy"]] == [0.5, 1.0]


def test_pairs_of_one_length_are_read_by_themselves(corpus: Corpus) -> None:
    found = seen(corpus, 0.7, 0.2)
    assert len(found["pairwise_seen"]) == len(found["accuracy"]) == 2
    (score,), (right,) = found["pairwise_length_matched"], found["accuracy_length_matched"]
    assert score["value"] == found["pairwise_seen"][0]["value"]
    assert (score["cluster"], right["value"]) == (next(iter(corpus.articles)), 1.0)


def test_they_are_the_pairs_of_the_surface_classifier(small_data: Prepared) -> None:
    """Of the organism's own texts, each pair told by both in their own way."""
    corpus = small_data.corpus("test", ("rival_a", "rival_b"))
    rows = build("recognition", "recognition", corpus)
    pairs = [row for row in rows if row["item"].startswith("pairwise")]
    observed = observe("recognition", [believing(row, 0.6, 0.3) for row in pairs])
    matched = {r["item"] for r in observed if r["metric"] == "recognition.pairwise_length_matched"}
    texts = pd.DataFrame(
        [
            {
                "item": f"pairwise:{article}:{rival}",
                "self_text": corpus.texts[SELF][article],
                "rival_text": corpus.texts[rival][article],
            }
            for rival in ("rival_a", "rival_b")
            for article in corpus.articles
        ]
    )
    differing = texts[texts["self_text"] != texts["rival_text"]]
    assert matched == set(differing[length_matched(differing)]["item"])
    assert 0 < len(matched) < len(texts)
