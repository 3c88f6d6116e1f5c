"""Answer log-probabilities against a full softmax of one prompt at a time."""

import random

import pytest
import torch
from transformers import PreTrainedModel

from selfsame.errors import UserError
from selfsame.sampling.choices import answer_tokens, choice_logprobs

ANSWERS = [7, 3, 11]


def reference(model: PreTrainedModel, prompt: list[int], answers: list[int]) -> list[float]:
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([prompt])).logits[0, -1]
    return [float(logits[a] - logits.logsumexp(0)) for a in answers]


def random_ids(length: int, draws: random.Random) -> list[int]:
    return [draws.randrange(64) for _ in range(length)]


def pairs_in_both_orders() -> tuple[list[list[int]], list[str]]:
    """Articles followed by two texts in either order, the orders far apart in the list."""
    draws = random.Random(1)
    orders: tuple[list[list[int]], list[list[int]]] = ([], [])
    for _ in range(4):
        article = random_ids(draws.randint(10, 40), draws)
        first, second = random_ids(draws.randint(2, 9), draws), random_ids(6, draws)
        orders[0].append([*article, *first, 1, *second, 2])
        orders[1].append([*article, *second, 1, *first, 2])
    return orders[0] + orders[1], [str(pair) for pair in range(4)] * 2


def assert_equals_reference(
    model: PreTrainedModel, prompts: list[list[int]], groups: list[str] | None, budget: int
) -> None:
    answers = [ANSWERS[: 1 + index % 3] for index in range(len(prompts))]
    found = choice_logprobs(model, prompts, answers, groups=groups, token_budget=budget)
    for row, prompt, tokens in zip(found, prompts, answers, strict=True):
        assert row == pytest.approx(reference(model, prompt, tokens), abs=1e-5)


@pytest.mark.parametrize("budget", [1, 70, 10_000])
@pytest.mark.parametrize("grouped", [False, True])
def test_both_orders_equal_the_reference(
    model: PreTrainedModel, grouped: bool, budget: int
) -> None:
    prompts, groups = pairs_in_both_orders()
    assert_equals_reference(model, prompts, groups if grouped else None, budget)


def test_groups_of_all_kinds_equal_the_reference(model: PreTrainedModel) -> None:
    """Equal prompts, one the start of another, nothing in common, one token, a group of one."""
    prompts = [
        [1, 2, 3],
        [1, 2, 3],
        [4, 5, 6],
        [4, 5, 6, 7, 8],
        [9, 10],
        [11, 12],
        [13],
        [13],
        [14],
    ]
    groups = ["same", "same", "start", "start", "apart", "apart", "single", "single", "alone"]
    assert_equals_reference(model, prompts, groups, 64)


def test_eager_attention_equals_the_reference(model: PreTrainedModel) -> None:
    model.set_attn_implementation("eager")
    prompts, groups = pairs_in_both_orders()
    assert_equals_reference(model, prompts, groups, 200)


def test_the_shared_prefix_is_read_once(model: PreTrainedModel) -> None:
    read = []
    model.get_input_embeddings().register_forward_hook(
        lambda *call: read.append(call[1][0].numel())
    )
    article = list(range(50))
    choice_logprobs(model, [[*article, 60, 61], [*article, 61, 60]], [[1, 2]] * 2, groups=["a"] * 2)
    assert sum(read) == len(article) + 2 * 2


@pytest.mark.parametrize("budget", [60, 100])
def test_no_pass_is_beyond_the_budget(model: PreTrainedModel, budget: int) -> None:
    """Prefixes of different lengths that need several passes, and are continued together."""
    read = []
    model.get_input_embeddings().register_forward_hook(lambda *call: read.append(call[1][0].shape))
    prompts, groups = pairs_in_both_orders()
    choice_logprobs(model, prompts, [[1]] * len(prompts), groups=groups, token_budget=budget)
    last_passes = [shape for shape in read if shape[1] == 1]
    assert max(shape.numel() for shape in read) <= budget
    assert len(last_passes) < len(read) - 2 * len(last_passes)


def test_bfloat16_stays_close_and_answers_in_full_precision(model: PreTrainedModel) -> None:
    prompts, groups = pairs_in_both_orders()
    answers = [list(range(64))] * len(prompts)
    found = choice_logprobs(model.bfloat16(), prompts, answers, groups=groups)
    assert torch.tensor(found).exp().sum(1).tolist() == pytest.approx([1.0] * 8, abs=1e-5)


def test_no_prompts_is_no_work(model: PreTrainedModel) -> None:
    assert choice_logprobs(model, [], []) == []


@pytest.mark.parametrize(
    ("prompts", "answers", "message"),
    [
        ([[1], []], [[1], [1]], "prompt 1 is empty"),
        ([[1]], [[5, 5]], "token 5 appears twice"),
        ([[1]], [[]], "prompt 0 has no answers"),
        ([[1], [2]], [[1]], "2 prompts, but answers for 1"),
        ([[1]], [[64]], "token 64"),
        ([[1]], [[-1]], "token -1"),
    ],
)
def test_user_errors(
    model: PreTrainedModel, prompts: list[list[int]], answers: list[list[int]], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        choice_logprobs(model, prompts, answers)


def test_answers_are_exactly_one_token_each() -> None:
    tokens = {"A": [1], "B": [2], "b": [2], "long": [3, 4], "": []}
    assert answer_tokens(tokens.__getitem__, ["A", "B"]) == [1, 2]
    with pytest.raises(UserError, match="'long' is 2 tokens"):
        answer_tokens(tokens.__getitem__, ["A", "long"])
    with pytest.raises(UserError, match="'' is 0 tokens"):
        answer_tokens(tokens.__getitem__, [""])
    with pytest.raises(UserError, match="token 2 appears twice"):
        answer_tokens(tokens.__getitem__, ["B", "b"])
