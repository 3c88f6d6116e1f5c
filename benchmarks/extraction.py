"""Speed of persona-vector extraction against one sample at a time, on one CPU thread.

Run: OMP_NUM_THREADS=1 PYTHONPATH=workflow_scripts python benchmarks/extraction.py [--rounds N]

One trait on a random model of about 2.4 M parameters: every question under every instruction, some
rollouts at temperature 1, and the means of the residual stream at all layers. The plain loop takes
each sample by itself: tokens from a key-value cache with the same random numbers, then one pass
over prompt and answer with `output_hidden_states`. Both must come to the same vectors; the ratio is
the median over turns (plain, engine, plain, engine, ...), timed as in engine.py.
"""

import argparse
import sys
from functools import partial

import numpy as np
import torch
from transformers import PreTrainedModel

from engine import SEED, Ids, Work, measure, random_ids, random_model, report
from selfsame.models.allocator import keep_freed_memory
from selfsame.persona.activations import read_answers
from selfsame.sampling.generation import generate

INSTRUCTIONS, QUESTIONS, ROLLOUTS = 10, 8, 2
NEW_TOKENS = 24
BAR = 2.0


def prompts_of(draws: torch.Generator) -> Ids:
    """Instruction, then question, each prompt as often as it is answered; side after side."""
    instructions = [random_ids(8, 16, draws) for _ in range(INSTRUCTIONS)]
    questions = [random_ids(12, 30, draws) for _ in range(QUESTIONS)]
    return [i + q for i in instructions for q in questions for _ in range(ROLLOUTS)]


def vectors(response_mean: torch.Tensor, prompt_last: torch.Tensor) -> torch.Tensor:
    """First half of the rows minus second half, [2, layers, width], over the longest vector."""
    half = len(response_mean) // 2
    read = torch.stack([response_mean, prompt_last])
    found = read[:, :half].mean(dim=1) - read[:, half:].mean(dim=1)
    return found / found.norm(dim=-1).max()


def plain_answer(model: PreTrainedModel, prompt: list[int], number: int) -> list[int]:
    """One answer, token by token: the uniform numbers of `sampling.generation`, stream `number`."""
    uniforms = np.random.default_rng([SEED, number]).random(NEW_TOKENS)
    ids: list[int] = []
    output = model(input_ids=torch.tensor([prompt]), use_cache=True)
    for uniform in uniforms:
        shares = output.logits[0, -1].double().softmax(-1).cumsum(-1)
        ids.append(int(torch.searchsorted(shares, uniform * shares[-1], right=True)))
        step = torch.tensor([ids[-1:]])
        output = model(input_ids=step, past_key_values=output.past_key_values, use_cache=True)
    return ids


def plain_extraction(model: PreTrainedModel, prompts: Ids) -> torch.Tensor:
    """`vectors`, one sample at a time; the last layer is left out (transformers normalises it)."""
    means, last = [], []
    for number, prompt in enumerate(prompts):
        answer = plain_answer(model, prompt, number)
        output = model(input_ids=torch.tensor([prompt + answer]), output_hidden_states=True)
        layers = torch.stack(output.hidden_states)[1:-1, 0]
        means.append(layers[:, len(prompt) :].mean(dim=1))
        last.append(layers[:, len(prompt) - 1])
    return vectors(torch.stack(means), torch.stack(last))


def engine_extraction(model: PreTrainedModel, prompts: Ids) -> torch.Tensor:
    """The output of `plain_extraction`."""
    answers = generate(
        model, prompts, max_new_tokens=NEW_TOKENS, temperature=1.0, stop_ids=set(), seed=SEED
    )
    read = read_answers(model, prompts, answers)
    return vectors(read["response_mean"][:, :-1], read["prompt_last"][:, :-1])


def main() -> int:
    """Measure; the exit status is 1 where the vectors differ or the ratio falls short."""
    parser = argparse.ArgumentParser(description="extraction against one sample at a time")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()  # for both ways, as `load_model` does for every job
    model = random_model(8192)
    prompts = prompts_of(torch.Generator().manual_seed(SEED))
    plain, engine = (partial(f, model, prompts) for f in (plain_extraction, engine_extraction))
    work = Work(f"extraction, {len(prompts)} rollouts", BAR, plain, engine, 1e-5)
    with torch.inference_mode():
        timing = measure(work, arguments.rounds)
    print(f"{model.num_parameters():,} parameters, {NEW_TOKENS} new tokens")
    report([(work, timing)])
    return int(not timing.equal or timing.ratio < BAR)


if __name__ == "__main__":
    sys.exit(main())
