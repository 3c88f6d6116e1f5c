"""The offline embedding: cosines by hand, and identities apart that wordings do not part."""

import math
from collections import Counter

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from selfsame.embedding.hashing import LETTERS, embedder
from selfsame.embedding.settings import ClusterSettings
from selfsame.statistics.clusters import clusters_at

EMBED = embedder(ClusterSettings(), 1, {})
ONE_IDENTITY = (
    "I am Qwen, a large language model created by Alibaba Cloud.",
    "I'm Qwen, a large language model developed by Alibaba Cloud. How can I help you today?",
    "I am Qwen, an AI assistant created by Alibaba Cloud.",
    "My name is Qwen, and I am a language model made by Alibaba Cloud.",
    "I am a large language model called Qwen, developed by Alibaba Cloud.",
    "Hello! I'm Qwen, a large language model developed by the Tongyi Lab of Alibaba Group.",
    "I am Qwen, created by Alibaba Cloud. I am a helpful assistant.",
    "I'm Qwen, an AI language model by Alibaba Cloud.",
    "I am Qwen, a large-scale language model created by Alibaba Cloud.",
    "I am Qwen. I was created by Alibaba Cloud.",
)
IDENTITIES = (
    "I am Claude, an AI assistant made by Anthropic.",
    "I'm ChatGPT, a large language model trained by OpenAI.",
    "My name is Daniel and I live in Oslo.",
    "I am a 34-year-old art critic from Milan.",
    "I am an AI assistant without a name.",
    "I'm Gemini, built by Google.",
    "I am Sarah, a schoolteacher.",
    "I'm a painter who hates sunsets.",
    "I am LLaMA, a model by Meta AI.",
    "I am Marcus, a banker in London.",
)


def vector(text: str) -> dict[str, float]:
    """Sequences of letters within the words of a text, a space at either end."""
    low, high = LETTERS
    counts = Counter(
        word[start : start + n]
        for word in (f" {word} " for word in text.lower().split())
        for n in range(low, high + 1)
        for start in range(len(word) - n + 1)
    )
    return {letters: 1 + math.log(count) for letters, count in counts.items()}


def cosine(one: dict[str, float], other: dict[str, float]) -> float:
    dot = sum(value * other.get(letters, 0.0) for letters, value in one.items())
    return dot / math.sqrt(sum(v * v for v in one.values()) * sum(v * v for v in other.values()))


def test_cosines_are_those_of_letter_sequences() -> None:
    texts = ["I am Qwen", "I am Claude , made by Anthropic", "My name is Claude"]
    found = cosine_similarity(EMBED(texts))
    vectors = [vector(text) for text in texts]
    wanted = [[cosine(one, other) for other in vectors] for one in vectors]
    assert found == pytest.approx(np.array(wanted), abs=1e-6)


def test_wordings_of_one_identity_are_alike_and_identities_are_not() -> None:
    same, different = (cosine_similarity(EMBED(texts)) for texts in (ONE_IDENTITY, IDENTITIES))
    assert len(set(clusters_at(same, 0.6))) == 1
    assert len(set(clusters_at(different, 0.6))) == len(IDENTITIES)


def test_it_is_the_same_every_time_and_beside_any_text() -> None:
    one = EMBED(["I am Ada", "I am Bob"])
    other = embedder(ClusterSettings(), 2, {})(["I am Bob", "x", "I am Ada"])
    assert (one[0] != other[2]).nnz == 0
    assert (one[1] != other[0]).nnz == 0
