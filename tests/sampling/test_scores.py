"""Log-probabilities of texts against one forward pass of a text at a time."""

import random

import pytest
import torch
from transformers import PreTrainedModel

from selfsame.errors import UserError
from selfsame.models.blocks import residual_blocks
from selfsame.models.memory import Portion
from selfsame.models.steering import Steering
from selfsame.sampling import scores
from selfsame.sampling.scores import text_logprobs


def reference(
    model: PreTrainedModel, prompt: list[int], text: list[int], push: Steering | None = None
) -> list[float]:
    """As Transformers would do it, from the logits of the whole sequence.

    push: added from the prompt's last token on, or everywhere, by a hook of its own.
    """
    ids = [*prompt, *text]
    start = 0 if push is None or push.everywhere else len(prompt) - 1

    def add(_: object, __: object, output: torch.Tensor) -> torch.Tensor | None:
        if push is None:
            return None
        moved = output.clone()
        moved[:, start:] += push.alpha * push.vector
        return moved

    handle = residual_blocks(model)[1].register_forward_hook(add)
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([ids])).logits[0].double()
    handle.remove()
    places = range(len(prompt), len(ids))
    return [float(logits[place - 1].log_softmax(0)[ids[place]]) for place in places]


def texts_of_all_kinds() -> tuple[list[list[int]], list[list[int]]]:
    """Prompts of one token and of many, with one text or several, in no order of length."""
    draws = random.Random(2)

    def ids(length: int) -> list[int]:
        return [draws.randrange(64) for _ in range(length)]

    shared, other = ids(30), ids(9)
    prompts = [shared, [1], other, shared, [1], ids(17), shared, [5]]
    return prompts, [ids(length) for length in (4, 21, 1, 40, 3, 8, 1, 2)]


@pytest.mark.parametrize("budget", [1, 40, 10_000])
def test_texts_equal_the_reference(model: PreTrainedModel, budget: int) -> None:
    prompts, texts = texts_of_all_kinds()
    found = text_logprobs(model, prompts, texts, token_budget=budget)
    for row, prompt, text in zip(found, prompts, texts, strict=True):
        assert row == pytest.approx(reference(model, prompt, text), abs=1e-5)


def test_few_logits_at_a_time_give_the_same(
    model: PreTrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    monkeypatch.setattr(scores, "MOST_LOGITS", 64 * 20)
    model.get_output_embeddings().register_forward_hook(lambda *call: sizes.append(call[2].numel()))
    prompts, texts = texts_of_all_kinds()
    found = text_logprobs(model, prompts, texts)
    longest = max(map(len, texts))
    assert max(sizes) <= 64 * longest
    assert sum(sizes) == 64 * sum(map(len, texts))  # none for a prompt or for padding
    for row, prompt, text in zip(found, prompts, texts, strict=True):
        assert row == pytest.approx(reference(model, prompt, text), abs=1e-5)


def test_a_prompt_with_several_texts_is_read_once(model: PreTrainedModel) -> None:
    read: list[int] = []
    model.get_input_embeddings().register_forward_hook(
        lambda *call: read.append(call[1][0].numel())
    )
    prompt = list(range(50))
    text_logprobs(model, [prompt] * 3, [[1, 2, 3]] * 3)
    assert sum(read) == 49 + 3 * 3


@pytest.mark.parametrize("everywhere", [False, True])
def test_steering_acts_where_the_text_is_predicted(
    model: PreTrainedModel, everywhere: bool
) -> None:
    torch.manual_seed(3)
    steering = Steering(1, torch.randn(32), 2.0, everywhere)
    prompts, texts = texts_of_all_kinds()
    found = text_logprobs(model, prompts, texts, steering=steering)
    for row, prompt, text in zip(found, prompts, texts, strict=True):
        assert row == pytest.approx(reference(model, prompt, text, steering), abs=1e-4)
        assert row != pytest.approx(reference(model, prompt, text), abs=1e-2)


def test_out_of_memory_goes_on_in_halves(
    model: PreTrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts, texts = texts_of_all_kinds()
    plain = text_logprobs(model, prompts, texts)
    whole, forward = Portion("tokens", 400), type(model).forward

    def failing(self: PreTrainedModel, **inputs: torch.Tensor) -> object:
        if inputs["input_ids"].numel() > 60:
            raise torch.OutOfMemoryError
        return forward(self, **inputs)

    monkeypatch.setattr(type(model), "forward", failing)
    found = text_logprobs(model, prompts, texts, token_budget=whole)
    assert whole.size < 100
    for row, same in zip(found, plain, strict=True):
        assert row == pytest.approx(same, abs=1e-5)


def test_no_texts_is_no_work(model: PreTrainedModel) -> None:
    assert text_logprobs(model, [], []) == []


@pytest.mark.parametrize(
    ("prompts", "texts", "message"),
    [
        ([[1], []], [[1], [1]], "prompt 1 is empty"),
        ([[1]], [[]], "text 0 is empty"),
        ([[1], [2]], [[1]], "2 prompts, but 1 texts"),
        ([[1] * 90], [[1] * 7], "prompt 0 needs 97 positions"),
    ],
)
def test_user_errors(
    model: PreTrainedModel, prompts: list[list[int]], texts: list[list[int]], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        text_logprobs(model, prompts, texts)
