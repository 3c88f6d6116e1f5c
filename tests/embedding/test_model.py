"""Mean-pooled hidden states against Transformers' own, text by text."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from selfsame.embedding.model import embedder
from selfsame.embedding.settings import ClusterSettings
from selfsame.errors import UserError
from selfsame.models.blocks import residual_blocks
from tiny_models import make_tiny_model

TEXTS = ["I am Ada.", "My name is Bob, and I was made here.", "?"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("embedding") / "llama", "llama")


def test_rows_are_the_mean_over_the_text_after_the_last_block(folder: Path) -> None:
    settings = ClusterSettings.model_validate({"embedding": {"path": str(folder)}})
    notes: dict[str, object] = {}
    found = embedder(settings, 1, notes)(TEXTS)
    model, tokenizer = (
        loader.from_pretrained(folder) for loader in (AutoModelForCausalLM, AutoTokenizer)
    )
    seen: list[torch.Tensor] = []
    residual_blocks(model)[-1].register_forward_hook(lambda *call: seen.append(call[2][0]))
    for row, text in zip(found, TEXTS, strict=True):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            model(torch.tensor([[tokenizer.bos_token_id, *ids]]))
        assert row == pytest.approx(seen.pop()[1:].mean(0).numpy(), abs=1e-4)
    assert found.dtype == np.float32
    assert notes["device"] in ("cpu", "cuda:0", "cuda")


def test_a_folder_without_a_model_is_a_clear_line(tmp_path: Path) -> None:
    settings = ClusterSettings.model_validate({"embedding": {"path": str(tmp_path)}})
    with pytest.raises(UserError, match=r"no config\.json"):
        embedder(settings, 1, {})
