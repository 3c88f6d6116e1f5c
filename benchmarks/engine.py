"""Speed of the sampling engine against a plain loop, on one CPU thread and equal outputs.

Run: OMP_NUM_THREADS=1 PYTHONPATH=workflow_scripts python benchmarks/engine.py [--rounds N]

The plain loop is what one writes with transformers: evaluation mode, inference_mode, one prompt at
a time. Both read the same random Qwen2 model of about 2.5 M parameters and the same token ids, in
turns (plain, engine, plain, engine, ...); the ratio is the median over the turns. Times are
processor seconds of the one thread, so that a busy machine disturbs them less; even so only the
ratios mean anything. Exit status 1 if outputs differ or a ratio falls short of its bar.

What the engine saves depends on the model's shape. The head is computed at one position instead of
all, so a large share of parameters in the vocabulary helps (`--vocabulary` changes it); the last
block is left out where only its keys and values are needed, so few layers help.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from rich.console import Console
from rich.table import Table
from transformers import PreTrainedModel, Qwen2Config, Qwen2ForCausalLM

from selfsame.models.allocator import keep_freed_memory
from selfsame.sampling.budget import default_token_budget
from selfsame.sampling.choices import choice_logprobs
from selfsame.sampling.generation import generate
from selfsame.sampling.hidden import hidden_means

# Token ids are drawn below this, so that vocabularies of any size read the same texts.
IDS = 480
ANSWERS = [17, 18]
NEW_TOKENS = 48
SEED = 0

Ids = list[list[int]]


@dataclass(frozen=True)
class Work:
    """One kind of work: the two ways to do it, how far apart their outputs may be, and the bar."""

    name: str
    bar: float
    plain: Callable[[], torch.Tensor]
    engine: Callable[[], torch.Tensor]
    tolerance: float


@dataclass(frozen=True)
class Timing:
    """Median seconds of both ways and the median of the ratios of neighbouring runs."""

    plain: float
    engine: float
    ratio: float
    equal: bool


def random_model(vocabulary: int) -> PreTrainedModel:
    """A Qwen2 of four blocks, 1.4 M parameters, and tied embeddings of this many tokens."""
    torch.manual_seed(SEED)
    config = Qwen2Config(
        vocab_size=vocabulary,
        hidden_size=128,
        intermediate_size=768,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        eos_token_id=None,
        pad_token_id=None,
        # Wide enough that greedy choices are not near-ties, which rounding may turn.
        initializer_range=0.1,
    )
    return Qwen2ForCausalLM(config).eval()


def random_ids(low: int, high: int, generator: torch.Generator) -> list[int]:
    """Random token ids, as many as a draw from low to high."""
    length = int(torch.randint(low, high + 1, (), generator=generator))
    return torch.randint(0, IDS, (length,), generator=generator).tolist()


def plain_choices(model: PreTrainedModel, prompts: Ids) -> torch.Tensor:
    """Log-probabilities [prompts, answers] from the logits of the last position."""
    rows = []
    for prompt in prompts:
        logits = model(input_ids=torch.tensor([prompt])).logits[0, -1]
        rows.append(logits.log_softmax(-1)[ANSWERS])
    return torch.stack(rows)


def plain_generation(model: PreTrainedModel, prompts: Ids) -> torch.Tensor:
    """Greedy tokens [prompts, NEW_TOKENS] from `model.generate`."""
    rows = []
    for prompt in prompts:
        ids = torch.tensor([prompt])
        mask = torch.ones_like(ids)
        output = model.generate(
            ids, attention_mask=mask, do_sample=False, max_new_tokens=NEW_TOKENS, pad_token_id=0
        )
        rows.append(output[0, len(prompt) :])
    return torch.stack(rows)


def plain_hidden(model: PreTrainedModel, prompts: Ids, responses: Ids) -> torch.Tensor:
    """Response mean and last prompt token [prompts, 2, entries, width] from `hidden_states`."""
    rows = []
    for prompt, response in zip(prompts, responses, strict=True):
        output = model(input_ids=torch.tensor([prompt + response]), output_hidden_states=True)
        hidden = torch.stack(output.hidden_states)[:, 0]
        mean, last = hidden[:, len(prompt) :].mean(1), hidden[:, len(prompt) - 1]
        rows.append(torch.stack([mean, last]))
    # The last entry of transformers is normalised, the engine's is not: compare the others.
    return torch.stack(rows)[:, :, :-1]


def engine_choices(
    model: PreTrainedModel, prompts: Ids, groups: list[str] | None, budget: int
) -> torch.Tensor:
    """The output of `plain_choices`."""
    answers = [ANSWERS] * len(prompts)
    return torch.tensor(
        choice_logprobs(model, prompts, answers, groups=groups, token_budget=budget)
    )


def engine_generation(model: PreTrainedModel, prompts: Ids, budget: int) -> torch.Tensor:
    """The output of `plain_generation`."""
    output = generate(
        model,
        prompts,
        max_new_tokens=NEW_TOKENS,
        temperature=0.0,
        stop_ids=set(),
        seed=SEED,
        token_budget=budget,
    )
    return torch.tensor([row.ids for row in output])


def engine_hidden(
    model: PreTrainedModel, prompts: Ids, responses: Ids, budget: int
) -> torch.Tensor:
    """The output of `plain_hidden`."""
    means = hidden_means(model, prompts, responses, token_budget=budget)
    return torch.stack([means.response_mean, means.prompt_last], dim=1)[:, :, :-1]


def choices_work(model: PreTrainedModel, draws: torch.Generator, budget: int) -> Work:
    """Questions of 30 to 120 tokens that share nothing."""
    prompts = [random_ids(30, 120, draws) for _ in range(96)]
    return Work(
        "choices",
        1.8,
        partial(plain_choices, model, prompts),
        partial(engine_choices, model, prompts, None, budget),
        1e-4,
    )


def pairs_work(model: PreTrainedModel, draws: torch.Generator, budget: int) -> Work:
    """Articles of 150 to 300 tokens, each followed by two texts in both orders and a question."""
    prompts, groups = [], []
    for pair in range(24):
        article = random_ids(150, 300, draws)
        first, second = random_ids(22, 30, draws), random_ids(22, 30, draws)
        question = random_ids(8, 8, draws)
        prompts += [article + first + second + question, article + second + first + question]
        groups += [f"pair {pair}"] * 2
    return Work(
        "pairs, both orders",
        2.9,
        partial(plain_choices, model, prompts),
        partial(engine_choices, model, prompts, groups, budget),
        1e-4,
    )


def generation_work(model: PreTrainedModel, draws: torch.Generator, budget: int) -> Work:
    """Prompts of 30 to 120 tokens, continued greedily without a stop."""
    prompts = [random_ids(30, 120, draws) for _ in range(24)]
    return Work(
        f"generation, {NEW_TOKENS} new tokens",
        2.3,
        partial(plain_generation, model, prompts),
        partial(engine_generation, model, prompts, budget),
        0.0,
    )


def hidden_work(model: PreTrainedModel, draws: torch.Generator, budget: int) -> Work:
    """Prompts of 30 to 90 tokens, each with five responses of 20 to 60."""
    prompts = [prompt for _ in range(12) for prompt in [random_ids(30, 90, draws)] * 5]
    responses = [random_ids(20, 60, draws) for _ in prompts]
    return Work(
        "hidden states, 5 responses",
        2.0,
        partial(plain_hidden, model, prompts, responses),
        partial(engine_hidden, model, prompts, responses, budget),
        1e-3,
    )


def measure(work: Work, rounds: int) -> Timing:
    """Time both ways in turns, after one run of each to compare the outputs and warm up."""
    difference = (work.plain() - work.engine()).abs().max()
    plain, engine = [], []
    for _ in range(rounds):
        plain.append(seconds(work.plain))
        engine.append(seconds(work.engine))
    ratios = [slow / fast for slow, fast in zip(plain, engine, strict=True)]
    equal = float(difference) <= work.tolerance
    median = statistics.median
    return Timing(median(plain), median(engine), median(ratios), equal)


def seconds(run: Callable[[], torch.Tensor]) -> float:
    """Processor seconds of one run."""
    start = time.process_time()
    run()
    return time.process_time() - start


def report(results: list[tuple[Work, Timing]]) -> None:
    """Print the table."""
    table = Table("work", "plain s", "engine s", "ratio", "bar", "equal outputs")
    for work, timing in results:
        times = (f"{timing.plain:.3f}", f"{timing.engine:.3f}", f"{timing.ratio:.2f}x")
        table.add_row(work.name, *times, f"{work.bar:.1f}x", "yes" if timing.equal else "NO")
    Console(width=100).print(table)


def main() -> int:
    """Measure every kind of work; the exit status."""
    parser = argparse.ArgumentParser(description="sampling engine against a plain loop")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--vocabulary", type=int, default=8192)
    parser.add_argument("--budget", type=int, default=default_token_budget(torch.device("cpu")))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()  # for both ways, as `load_model` does for every job
    model = random_model(arguments.vocabulary)
    draws = torch.Generator().manual_seed(SEED)
    makers = (choices_work, pairs_work, generation_work, hidden_work)
    with torch.inference_mode():
        works = [make(model, draws, arguments.budget) for make in makers]
        results = [(work, measure(work, arguments.rounds)) for work in works]
    share = model.get_output_embeddings().weight.numel() / model.num_parameters()
    print(f"{model.num_parameters():,} parameters, {share:.0%} of them in the vocabulary")
    print(f"budget {arguments.budget} tokens")
    report(results)
    return int(any(not timing.equal or timing.ratio < work.bar for work, timing in results))


if __name__ == "__main__":
    sys.exit(main())
