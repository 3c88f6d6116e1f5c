"""Mean-pooled hidden states of a chat model: the residual stream after its last block."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selfsame.embedding.settings import ClusterSettings, ModelEmbedding
from selfsame.models.chat import encode_plain
from selfsame.models.load import load_model
from selfsame.models.memory import Portion
from selfsame.models.settings import Loading
from selfsame.sampling.budget import fitting_budget
from selfsame.sampling.hidden import hidden_means


def embedder(
    settings: ClusterSettings, threads: int, notes: dict[str, Any]
) -> Callable[[Sequence[str]], NDArray[np.float32]]:
    """The embedding: `embed(texts)` gives float32 [texts, width].

    Raises UserError where the model cannot be loaded.
    """
    embedding = settings.embedding
    assert isinstance(embedding, ModelEmbedding)
    model, tokenizer = load_model(Path(embedding.path), Loading(dtype="auto"), threads)
    notes["device"] = str(model.device)
    budget = Portion("tokens", fitting_budget(model), notes)

    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        pairs = [encode_plain(tokenizer, text) for text in texts]
        before, ids = [first for first, _ in pairs], [text for _, text in pairs]
        means = hidden_means(model, before, ids, token_budget=budget).response_mean
        found: NDArray[np.float32] = means[:, -1].numpy()
        return found

    return embed
