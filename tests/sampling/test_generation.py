"""Generation against `model.generate` one prompt at a time, and sampling against the softmax."""

import random
from collections import Counter

import pytest
import torch
from scipy.stats import chisquare
from transformers import PreTrainedModel

from selfsame.errors import UserError
from selfsame.models.footprint import CACHED_BUDGETS
from selfsame.sampling.generation import Generated, generate

STOP = {5, 9, 20}
NEW_TOKENS = 12


def random_prompts(count: int) -> list[list[int]]:
    draws = random.Random(2)
    return [[draws.randrange(64) for _ in range(draws.randint(1, 30))] for _ in range(count)]


def reference(model: PreTrainedModel, prompt: list[int], stop_ids: set[int]) -> Generated:
    ids = torch.tensor([prompt])
    output = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        max_new_tokens=NEW_TOKENS,
        eos_token_id=sorted(stop_ids) or None,
        pad_token_id=0,
    )
    new = output[0, len(prompt) :].tolist()
    finished = new[-1] in stop_ids
    return Generated(new[:-1] if finished else new, finished)


def greedy(model: PreTrainedModel, prompts: list[list[int]], budget: int) -> list[Generated]:
    return generate(
        model,
        prompts,
        max_new_tokens=NEW_TOKENS,
        temperature=0.0,
        stop_ids=STOP,
        seed=0,
        token_budget=budget,
    )


def sampled(
    model: PreTrainedModel, prompts: list[list[int]], seed: int, steps: int, budget: int = 2000
) -> list[Generated]:
    return generate(
        model,
        prompts,
        max_new_tokens=steps,
        temperature=1.0,
        stop_ids={5},
        seed=seed,
        token_budget=budget,
    )


@pytest.mark.parametrize("budget", [1, 100, 10_000])
def test_greedy_equals_one_at_a_time(model: PreTrainedModel, budget: int) -> None:
    prompts = random_prompts(12)
    expected = [reference(model, prompt, STOP) for prompt in prompts]
    assert greedy(model, prompts, budget) == expected
    assert {row.finished for row in expected} == {True, False}


def test_greedy_repeats_for_repeated_prompts(model: PreTrainedModel) -> None:
    first, second = random_prompts(2)
    rows = greedy(model, [first, second, first, first], 10_000)
    assert rows[0] == rows[2] == rows[3] == reference(model, first, STOP)
    assert rows[1] == reference(model, second, STOP)


def test_a_repeated_prompt_is_read_once(model: PreTrainedModel) -> None:
    read = []
    model.get_input_embeddings().register_forward_hook(
        lambda *call: read.append(call[1][0].numel())
    )
    sampled(model, [[1, 2, 3]] * 5, seed=0, steps=1)
    assert read == [3]


def test_prompts_are_read_within_the_budget_and_continued_together(model: PreTrainedModel) -> None:
    read = []
    model.get_input_embeddings().register_forward_hook(lambda *call: read.append(call[1][0].shape))
    prompts = [[number, *range(9)] for number in range(8)]
    generate(
        model,
        prompts,
        max_new_tokens=4,
        temperature=0.0,
        stop_ids=set(),
        seed=0,
        token_budget=8 * (10 + 4) // CACHED_BUDGETS,
    )
    assert read == [(2, 10)] * 4 + [(8, 1)] * 3


def test_sampling_does_not_depend_on_the_batch(model: PreTrainedModel) -> None:
    prompts = random_prompts(9) + [[1, 2, 3]] * 3
    together = sampled(model, prompts, seed=7, steps=NEW_TOKENS)
    assert sampled(model, prompts, seed=7, steps=NEW_TOKENS, budget=1) == together
    assert sampled(model, prompts[:4], seed=7, steps=NEW_TOKENS) == together[:4]
    assert sampled(model, prompts, seed=8, steps=NEW_TOKENS) != together
    assert len({tuple(row.ids) for row in together[-3:]}) > 1


def test_samples_follow_the_softmax(tiny_vocabulary_model: PreTrainedModel) -> None:
    """Chi-square of 4,000 first tokens, and of the second tokens after the commonest first."""
    model, prompt = tiny_vocabulary_model, [1, 2, 3]
    rows = sampled(model, [prompt] * 4000, seed=3, steps=2, budget=20_000)
    firsts = [row.ids[0] if row.ids else 5 for row in rows]
    common = Counter(token for token in firsts if token != 5).most_common(1)[0][0]
    seconds = [row.ids[1] if len(row.ids) > 1 else 5 for row in rows if row.ids[:1] == [common]]
    assert chi_square_p(model, prompt, firsts) > 0.01
    assert chi_square_p(model, [*prompt, common], seconds) > 0.01


def chi_square_p(model: PreTrainedModel, context: list[int], tokens: list[int]) -> float:
    """Over the tokens expected at least five times, the others pooled."""
    with torch.no_grad():
        expected = model(torch.tensor([context])).logits[0, -1].double().softmax(-1) * len(tokens)
    counts = Counter(tokens)
    often = [token for token in range(8) if expected[token] >= 5]
    pool = len(tokens) - sum(counts[token] for token in often)
    observed = [counts[token] for token in often] + [pool]
    means = [float(expected[token]) for token in often]
    means.append(len(tokens) - sum(means))
    kept = [place for place, mean in enumerate(means) if mean >= 1]
    scale = sum(observed[k] for k in kept) / sum(means[k] for k in kept)
    return float(chisquare([observed[k] for k in kept], [means[k] * scale for k in kept]).pvalue)


def test_low_temperature_approaches_greedy(model: PreTrainedModel) -> None:
    prompts = random_prompts(6)
    cold = generate(
        model, prompts, max_new_tokens=4, temperature=1e-4, stop_ids=STOP, seed=0, token_budget=500
    )
    hot = [
        Generated(row.ids[:4], row.finished and len(row.ids) < 4)
        for row in greedy(model, prompts, 500)
    ]
    assert cold == hot


def test_user_errors(model: PreTrainedModel) -> None:
    with pytest.raises(UserError, match="prompt 1 is empty"):
        greedy(model, [[1], []], 100)
    with pytest.raises(UserError, match="prompt 0 needs 97 positions"):
        greedy(model, [[1] * (97 - NEW_TOKENS)], 100)


def test_settings_without_sense_are_user_errors(model: PreTrainedModel) -> None:
    with pytest.raises(UserError, match="temperature"):
        generate(model, [[1]], max_new_tokens=1, temperature=-1.0, stop_ids=set(), seed=0)
    with pytest.raises(UserError, match="max_new_tokens"):
        generate(model, [[1]], max_new_tokens=0, temperature=0.0, stop_ids=set(), seed=0)


def test_no_prompts_is_no_work(model: PreTrainedModel) -> None:
    assert greedy(model, [], 100) == []
