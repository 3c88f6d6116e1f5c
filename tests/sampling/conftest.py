"""Tiny random models of the three architectures the engine is used with."""

from collections.abc import Callable

import pytest
import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
)

# Wide weights keep the most probable token clear of its rival: no near-ties for rounding to turn.
SPREAD = 0.3


def tiny_qwen2(vocabulary: int) -> PreTrainedModel:
    return Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=vocabulary,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=96,
            tie_word_embeddings=True,
            initializer_range=SPREAD,
            eos_token_id=None,
        )
    )


def tiny_llama(vocabulary: int) -> PreTrainedModel:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=96,
            initializer_range=SPREAD,
            bos_token_id=None,
            eos_token_id=None,
        )
    )


def tiny_gpt2(vocabulary: int) -> PreTrainedModel:
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=vocabulary,
            n_embd=32,
            n_layer=3,
            n_head=4,
            n_positions=96,
            initializer_range=SPREAD,
            bos_token_id=None,
            eos_token_id=None,
        )
    )


MAKERS: dict[str, Callable[[int], PreTrainedModel]] = {
    "qwen2": tiny_qwen2,
    "llama": tiny_llama,
    "gpt2": tiny_gpt2,
}


@pytest.fixture(params=list(MAKERS))
def model(request: pytest.FixtureRequest) -> PreTrainedModel:
    """A random model of 3 blocks, width 32, 64 tokens and 96 positions, the same in every test."""
    torch.manual_seed(0)
    return MAKERS[request.param](64).eval()


@pytest.fixture
def tiny_vocabulary_model() -> PreTrainedModel:
    """A random Qwen2 with 8 tokens, whose distribution a few thousand samples show."""
    torch.manual_seed(0)
    return tiny_qwen2(8).eval()
