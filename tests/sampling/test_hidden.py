"""Residual-stream means against hooks on the blocks, one prompt and response at a time."""

import random

import pytest
import torch
from torch import nn
from transformers import PreTrainedModel

from selfsame.errors import UserError
from selfsame.sampling.hidden import HiddenMeans, hidden_means

BLOCKS = {"qwen2": "model.layers", "llama": "model.layers", "gpt2": "transformer.h"}
FINAL_NORM = {"qwen2": "model.norm", "llama": "model.norm", "gpt2": "transformer.ln_f"}

Ids = list[list[int]]


def prompts_and_responses() -> tuple[Ids, Ids]:
    """Three prompts, of which one has three responses and one two, in mixed order."""
    draws = random.Random(3)
    prompts = [[draws.randrange(64) for _ in range(length)] for length in (12, 5, 1)]
    chosen = [0, 1, 0, 2, 1, 0]
    responses = [[draws.randrange(64) for _ in range(draws.randint(1, 15))] for _ in chosen]
    return [prompts[number] for number in chosen], responses


def residual_stream(model: PreTrainedModel, ids: list[int]) -> torch.Tensor:
    """[entries, tokens, width] from hooks: the input of block 0, then the output of every block."""
    blocks = model.get_submodule(BLOCKS[model.config.model_type])
    assert isinstance(blocks, nn.ModuleList)
    seen: list[torch.Tensor] = []
    handles = [blocks[0].register_forward_pre_hook(lambda _, args: seen.append(args[0][0]))]
    for block in blocks:
        handles.append(block.register_forward_hook(lambda _, args, output: seen.append(output[0])))
    with torch.no_grad():
        model(input_ids=torch.tensor([ids]))
    for handle in handles:
        handle.remove()
    return torch.stack(seen)


def reference(model: PreTrainedModel, prompts: Ids, responses: Ids) -> HiddenMeans:
    means, last = [], []
    for prompt, response in zip(prompts, responses, strict=True):
        stream = residual_stream(model, prompt + response)
        means.append(stream[:, len(prompt) :].mean(1))
        last.append(stream[:, len(prompt) - 1])
    return HiddenMeans(torch.stack(means), torch.stack(last))


def assert_close(found: HiddenMeans, expected: HiddenMeans) -> None:
    torch.testing.assert_close(found.response_mean, expected.response_mean, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found.prompt_last, expected.prompt_last, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("budget", [1, 40, 10_000])
def test_means_equal_hooks_on_the_blocks(model: PreTrainedModel, budget: int) -> None:
    prompts, responses = prompts_and_responses()
    found = hidden_means(model, prompts, responses, token_budget=budget)
    assert found.response_mean.shape == found.prompt_last.shape == (6, 4, 32)
    assert_close(found, reference(model, prompts, responses))


def test_entries_are_those_of_transformers_before_the_final_norm(model: PreTrainedModel) -> None:
    prompt, response = [1, 2, 3], [4, 5]
    found = hidden_means(model, [prompt], [response]).prompt_last[0]
    with torch.no_grad():
        states = model(torch.tensor([prompt]), output_hidden_states=True).hidden_states
        normed = model.get_submodule(FINAL_NORM[model.config.model_type])(found[-1])
    for entry, state in zip(found[:-1], states[:-1], strict=True):
        torch.testing.assert_close(entry, state[0, -1], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(normed, states[-1][0, -1], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("last_layer", [0, 1, 2])
def test_stopping_early_gives_the_first_entries(model: PreTrainedModel, last_layer: int) -> None:
    prompts, responses = prompts_and_responses()
    whole = hidden_means(model, prompts, responses)
    short = hidden_means(model, prompts, responses, last_layer=last_layer)
    entries = last_layer + 2
    assert short.response_mean.shape[1] == entries
    assert_close(
        short, HiddenMeans(whole.response_mean[:, :entries], whole.prompt_last[:, :entries])
    )


def test_later_blocks_and_the_head_do_not_run(model: PreTrainedModel) -> None:
    blocks = model.get_submodule(BLOCKS[model.config.model_type])
    assert isinstance(blocks, nn.ModuleList)
    ran: list[str] = []
    blocks[2].register_forward_hook(lambda *_: ran.append("block 2"))
    model.get_output_embeddings().register_forward_hook(lambda *_: ran.append("head"))
    hidden_means(model, [[1, 2]], [[3]], last_layer=1)
    assert ran == []
    hidden_means(model, [[1, 2]], [[3]])
    assert set(ran) == {"block 2"}


def test_no_hook_stays_behind(model: PreTrainedModel) -> None:
    hidden_means(model, [[1, 2]], [[3]], last_layer=0)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_means_are_ordinary_float32_on_the_cpu(model: PreTrainedModel) -> None:
    found = hidden_means(model.bfloat16(), [[1, 2]], [[3]])
    assert found.response_mean.dtype == torch.float32
    assert not found.response_mean.is_inference()
    assert found.response_mean.isfinite().all()


def test_user_errors(model: PreTrainedModel) -> None:
    with pytest.raises(UserError, match="prompt 0 is empty"):
        hidden_means(model, [[]], [[1]])
    with pytest.raises(UserError, match="response 1 is empty"):
        hidden_means(model, [[1], [1]], [[1], []])
    with pytest.raises(UserError, match="blocks 0 to 2"):
        hidden_means(model, [[1]], [[1]], last_layer=3)
    with pytest.raises(UserError, match="1 prompts, but 2 responses"):
        hidden_means(model, [[1]], [[1], [2]])
