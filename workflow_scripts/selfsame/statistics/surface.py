"""Surface cues: how well a classifier that knows no author tells the model's texts from a rival's.

A state that recognises its own texts may only have learned that they are shorter. Here a logistic
regression on about ten surface features does the same pairwise task from the same training pairs,
so that recognition can be reported above it. A pair is read as the difference of the two texts'
features; there is no intercept, so the answer cannot depend on which text comes first.
"""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from selfsame.data.pairs import WORD, same_length
from selfsame.errors import UserError

FEATURES = (
    "words", "characters", "mean_word_length", "mean_sentence_length", "commas", "full_stops",
    "other_punctuation", "digits", "capitals", "type_token_ratio", "article_overlap",
)  # fmt: skip
PAIR_COLUMNS = ["article_id", "split", "author", "article", "self_text", "rival_text"]
KEYS = ("experiment", "model", "chain", "seed", "probe")
OBSERVATION_COLUMNS = [
    *KEYS,
    "item",
    "cluster",
    "sample",
    "metric",
    "value",
    "valid",
    "answer_class",
]


def features(text: str, article: str) -> list[float]:
    """The surface features of one text, in the order of FEATURES."""
    words = [word.lower() for word in WORD.findall(text)]
    known = {word.lower() for word in WORD.findall(article)}
    sentences = max(1, len(re.findall(r"[.!?]+", text)))
    n_words = max(1, len(words))
    return [
        len(words),
        len(text),
        sum(map(len, words)) / n_words,
        len(words) / sentences,
        text.count(","),
        text.count("."),
        len(re.findall(r"[^\w\s.,]", text)),
        sum(character.isdigit() for character in text),
        sum(character.isupper() for character in text),
        len(set(words)) / n_words,
        sum(word in known for word in words) / n_words,
    ]


def surface_observations(
    pairs: pd.DataFrame, train_authors: Sequence[str], keys: Mapping[str, object]
) -> pd.DataFrame:
    """Observations of the surface classifier on the test split of the pairs.

    `pairs` has PAIR_COLUMNS, one row per article and rival author. The classifier is fitted on the
    train split against `train_authors` (the rivals that recognition training sees) and asked about
    every author's test pairs. `keys` gives experiment, model, chain, seed and probe of the rows.
    Metrics: `<probe>.surface` (all features), `<probe>.length` (words only) and
    `<probe>.surface_length_matched` (all features, only pairs of about the same length). Value 1
    right, 0 wrong, 0.5 undecided; answer_class is the rival author. Raises UserError when a split
    is empty.
    """
    train = pairs[(pairs["split"] == "train") & pairs["author"].isin(list(train_authors))]
    test = pairs[pairs["split"] == "test"]
    if train.empty or test.empty:
        raise UserError(
            f"surface cues: no {'train' if train.empty else 'test'} pairs of the self texts with"
            f" {', '.join(train_authors) if train.empty else 'any rival'}: check texts.train_rivals"
        )
    matched = length_matched(test)
    values = _right(feature_differences(train), feature_differences(test))
    by_length = _right(feature_differences(train)[:, :1], feature_differences(test)[:, :1])
    return pd.concat(
        [
            _rows(test, values, "surface", keys),
            _rows(test, by_length, "length", keys),
            _rows(test[matched], values[matched], "surface_length_matched", keys),
        ],
        ignore_index=True,
    )


def feature_differences(pairs: pd.DataFrame) -> np.ndarray:
    """Self minus rival, shape (pairs, len(FEATURES))."""
    mine = [features(*row) for row in zip(pairs["self_text"], pairs["article"], strict=True)]
    theirs = [features(*row) for row in zip(pairs["rival_text"], pairs["article"], strict=True)]
    differences: np.ndarray = np.array(mine) - np.array(theirs)
    return differences


def length_matched(pairs: pd.DataFrame) -> np.ndarray:
    """Whether the two texts of each pair have about the same number of words, shape (pairs,)."""
    texts = zip(pairs["self_text"], pairs["rival_text"], strict=True)
    return np.array([same_length(mine, theirs) for mine, theirs in texts], dtype=bool)


def _right(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """1 where the classifier picks the self text, 0 where the rival's, 0.5 where it cannot say."""
    decision = np.asarray(_fit(train).decision_function(test), dtype=float)
    return np.where(np.isclose(decision, 0), 0.5, (decision > 0).astype(float))


def _fit(differences: np.ndarray) -> Pipeline:
    """Logistic regression on both orders of every pair; scaling without centring keeps it odd."""
    both = np.concatenate([differences, -differences])
    labels = np.repeat([1, 0], len(differences))
    model = make_pipeline(
        StandardScaler(with_mean=False), LogisticRegression(fit_intercept=False, max_iter=1000)
    )
    model.fit(both, labels)
    return model


def _rows(
    pairs: pd.DataFrame, values: np.ndarray, name: str, keys: Mapping[str, object]
) -> pd.DataFrame:
    rows = pd.DataFrame(
        {
            **{key: [keys[key]] * len(pairs) for key in KEYS},
            "item": pairs["article_id"].astype(str) + "/" + pairs["author"].astype(str),
            "cluster": pairs["article_id"].astype(str),
            "sample": 0,
            "metric": f"{keys['probe']}.{name}",
            "value": values,
            "valid": True,
            "answer_class": pairs["author"].astype(str),
        }
    )
    return rows[OBSERVATION_COLUMNS]
