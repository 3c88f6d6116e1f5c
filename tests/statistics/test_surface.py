"""The surface classifier on texts whose difference is known."""

import numpy as np
import pandas as pd
import pytest

from selfsame.errors import UserError
from selfsame.statistics.scores import scores
from selfsame.statistics.surface import (
    FEATURES,
    OBSERVATION_COLUMNS,
    features,
    length_matched,
    surface_observations,
)

WORDS = ["river", "town", "council", "bridge", "money", "vote", "school", "rain", "north", "old"]
KEYS = {"experiment": "default", "model": "m", "chain": "base", "seed": 0, "probe": "recognition"}


def _text(rng: np.random.Generator, low: int, high: int, comma: str = "") -> str:
    return comma.join(" " + word for word in rng.choice(WORDS, rng.integers(low, high))).strip()


def _pairs(rival, n: int = 80) -> pd.DataFrame:
    """Self texts of 8 to 11 words without commas against what `rival(rng)` writes."""
    rng = np.random.default_rng(0)
    rows = [
        {
            "article_id": f"a{i}", "split": "train" if i < n // 2 else "test",
            "author": "rival_a" if i % 2 else "rival_b", "article": " ".join(WORDS),
            "self_text": _text(rng, 8, 12), "rival_text": rival(rng),
        }
        for i in range(n)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _accuracy(pairs: pd.DataFrame, metric: str) -> float:
    table = scores(surface_observations(pairs, ["rival_a", "rival_b"], KEYS))
    return float(table.set_index("metric").loc[f"recognition.{metric}", "value"])


def test_features_by_hand() -> None:
    found = dict(zip(FEATURES, features("Two cats, 2 dogs. Two!", "two dogs"), strict=True))
    assert found == pytest.approx(
        {
            "words": 5, "characters": 22, "mean_word_length": 15 / 5, "mean_sentence_length": 2.5,
            "commas": 1, "full_stops": 1, "other_punctuation": 1, "digits": 1, "capitals": 2,
            "type_token_ratio": 4 / 5, "article_overlap": 3 / 5,
        }
    )  # fmt: skip


def test_empty_text_has_features() -> None:
    assert features("", "") == [0.0] * len(FEATURES)


def test_a_length_cue_is_found_by_length_and_by_all_features() -> None:
    pairs = _pairs(lambda rng: _text(rng, 14, 20))
    assert _accuracy(pairs, "length") == 1
    assert _accuracy(pairs, "surface") == 1


def test_a_comma_cue_is_found_by_all_features_only() -> None:
    pairs = _pairs(lambda rng: _text(rng, 8, 12, comma=","), n=200)
    assert _accuracy(pairs, "surface") == 1
    assert _accuracy(pairs, "surface_length_matched") == 1
    assert 0.3 < _accuracy(pairs, "length") < 0.7


def test_equal_texts_are_undecided() -> None:
    pairs = _pairs(lambda rng: _text(rng, 14, 20))
    pairs.loc[pairs["split"] == "test", "rival_text"] = pairs["self_text"]
    assert _accuracy(pairs, "surface") == 0.5


def test_without_a_cue_the_classifier_is_near_chance() -> None:
    assert 0.35 < _accuracy(_pairs(lambda rng: _text(rng, 8, 12), n=400), "surface") < 0.65


def test_rows_are_observations_per_author_and_article() -> None:
    pairs = _pairs(lambda rng: _text(rng, 14, 20))
    rows = surface_observations(pairs, ["rival_a"], KEYS)
    assert list(rows.columns) == OBSERVATION_COLUMNS
    all_features = rows[rows["metric"] == "recognition.surface"]
    assert len(all_features) == 40
    assert set(all_features["answer_class"]) == {"rival_a", "rival_b"}
    assert not all_features.duplicated(["seed", "item", "sample"]).any()


def test_length_matched_by_hand() -> None:
    pairs = pd.DataFrame(
        {"self_text": ["a " * 10, "a " * 10, ""], "rival_text": ["b " * 11, "b " * 12, ""]}
    )
    assert length_matched(pairs).tolist() == [True, False, True]


def test_no_training_pairs_is_an_error() -> None:
    pairs = _pairs(lambda rng: _text(rng, 14, 20))
    with pytest.raises(UserError, match="no train pairs of the self texts with nobody"):
        surface_observations(pairs, ["nobody"], KEYS)
