"""Steering moves what is read at its layer by exactly alpha * v, and never passes silently."""

from dataclasses import replace

import pytest
import torch

from selfsame.errors import UserError
from selfsame.models.load import load_model
from selfsame.models.steering import Steering, steered
from selfsame.sampling.choices import choice_logprobs
from selfsame.sampling.generation import generate
from selfsame.sampling.hidden import hidden_means
from tiny_models import make_tiny_model

ARCHITECTURES = ("qwen2", "llama", "gpt2")
PROMPTS = [[4, 20, 30], [4, 20, 30, 41], [5]]
RESPONSES = [[40, 50], [44], [33, 60, 70]]


@pytest.fixture(scope="module", params=ARCHITECTURES)
def model(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param) / "model"
    return load_model(make_tiny_model(folder, request.param, layers=3))[0]


@pytest.fixture
def steering():
    return Steering(1, torch.randn(32, generator=torch.Generator().manual_seed(0)), 1.5)


@pytest.fixture(params=[(layer, where) for layer in (0, 1, 2) for where in (False, True)])
def anywhere(request, steering):
    """Every layer, the last one among them, at the answer's positions and at all."""
    layer, everywhere = request.param
    return replace(steering, layer=layer, everywhere=everywhere)


def read(model, steering=None, columns=None):
    with steered(model, steering, columns):
        return hidden_means(model, PROMPTS, RESPONSES)


def test_the_layer_moves_by_alpha_times_the_vector_and_earlier_ones_do_not(model, steering):
    """Entry l + 1 of the read-out is layer l: the one layer convention."""
    before, after = read(model), read(model, steering)
    for name in ("response_mean", "prompt_last"):
        moved = getattr(after, name) - getattr(before, name)
        push = (1.5 * steering.vector).expand(3, 32)
        torch.testing.assert_close(moved[:, 1 + 1], push, atol=2e-5, rtol=0)
        assert (moved[:, : 1 + 1] == 0).all()
        assert (moved[:, 2 + 1] != 0).any()


def test_nothing_stays_behind(model, steering):
    before = read(model).response_mean
    read(model, steering)
    torch.testing.assert_close(read(model).response_mean, before, atol=0, rtol=0)


def reference_logits(model, prompt, steering):
    """One prompt in one pass without a cache, pushed at its last token."""
    columns = None if steering.everywhere else torch.tensor([len(prompt) - 1])
    with torch.inference_mode(), steered(model, steering, columns):
        return model(input_ids=torch.tensor([prompt])).logits[0, -1]


def test_answers_are_steered_where_they_are_read(model, anywhere):
    prompts = [*PROMPTS, [4, 20, 30, 42, 43]]
    found = choice_logprobs(
        model, prompts, [[7, 3]] * 4, groups=["a", "a", "b", "a"], steering=anywhere
    )
    for row, prompt in zip(found, prompts, strict=True):
        logprobs = reference_logits(model, prompt, anywhere).log_softmax(-1)
        assert row == pytest.approx(logprobs[[7, 3]].tolist(), abs=1e-4)


def greedy_by_hand(model, prompt, steering, tokens):
    """Token by token from whole passes that push the prompt's last token, or all, and new ones."""
    blocks = model.base_model.get_submodule("h" if hasattr(model.base_model, "h") else "layers")
    push = steering.alpha * steering.vector
    start = 0 if steering.everywhere else len(prompt) - 1

    def add(_module, _args, output):
        output = output.clone()
        output[:, start:] += push
        return output

    ids = list(prompt)
    handle = blocks[steering.layer].register_forward_hook(add)
    for _ in range(tokens):
        with torch.inference_mode():
            ids.append(int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
    handle.remove()
    return ids[len(prompt) :]


def test_generation_is_steered_at_every_position_that_predicts_an_answer(model, anywhere):
    strong = replace(anywhere, alpha=4.0)
    found = generate(
        model,
        PROMPTS,
        max_new_tokens=6,
        temperature=0.0,
        stop_ids=set(),
        seed=0,
        steering=strong,
    )
    expected = [greedy_by_hand(model, prompt, strong, 6) for prompt in PROMPTS]
    assert [answer.ids for answer in found] == expected


def test_a_steering_that_never_fires_is_an_error(model, steering):
    with (
        pytest.raises(RuntimeError, match="layer 2 never took effect"),
        steered(model, replace(steering, layer=2)),
    ):
        hidden_means(model, PROMPTS, RESPONSES, last_layer=1)
    with pytest.raises(RuntimeError, match="never took effect"), steered(model, steering):
        pass


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer": 3}, "layers 0 to 2"),
        ({"layer": -1}, "layers 0 to 2"),
        ({"vector": torch.ones(16)}, "width is 32"),
    ],
)
def test_a_direction_of_another_model_is_refused(model, steering, change, message):
    with pytest.raises(UserError, match=message), steered(model, replace(steering, **change)):
        pass
