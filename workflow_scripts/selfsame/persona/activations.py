"""The base model and its states read for persona vectors: answers and residual-stream means.

Tensors hold layers only, [rows, blocks, width] in float32 on the CPU: row l of a table's tensor is
layer l of `models.blocks`. What the model generates and what is read of it are raw facts; judging,
filtering and projecting come later, without a model.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from selfsame.data.prompts import user
from selfsame.models.memory import Portion
from selfsame.models.switching import with_adapters
from selfsame.persona.questions import SIDES, instructed, items_of
from selfsame.sampling.generation import Generated
from selfsame.sampling.hidden import hidden_means
from selfsame.sampling.state import Speaker, stream

Row = dict[str, Any]
Tensors = dict[str, torch.Tensor]
Spec = dict[str, Any]


def rollouts(speaker: Speaker, spec: Spec) -> tuple[list[Row], Tensors]:
    """Answers under a trait's instructions, and their activations.

    Returns rows of tables.schemas.ROLLOUTS without the trait's keys, and `response_mean` and
    `prompt_last`, row by row; NaN where the answer is empty.
    """
    asked = [(a, n) for a in instructed(spec) for n in range(spec["rollouts"])]
    prompts = [speaker.encode(a.messages) for a, _ in asked]
    answers = _answers(speaker, prompts, spec, "rollouts")
    rows = [
        {"side": a.side, "instruction": a.instruction, "item": a.item, "sample": n}
        | speaker.said(answer)
        for (a, n), answer in zip(asked, answers, strict=True)
    ]
    return rows, read_answers(speaker.model, prompts, answers, speaker.budget)


def state_activations(
    speaker: Speaker, adapters: Sequence[Path], spec: Spec
) -> tuple[list[Row], Tensors]:
    """What a state answers to every trait's evaluation questions, and its activations.

    `speaker` holds the base, on which the state's adapters are put and taken off again. Returns
    rows of tables.schemas.PERSONA_ANSWERS without the state's keys, and for each trait
    `<trait>.base_prompt_last` and `<trait>.prompt_last` [items, ...], `<trait>.response_mean`
    [answers, ...], `<trait>.positive` and `<trait>.negative` [blocks, width], the mean prompt-last
    activations under the trait's instructions.
    """
    questions = {
        name: [speaker.encode(user(question)) for question in trait["evaluation_questions"]]
        for name, trait in spec["traits"].items()
    }
    tensors = {
        f"{name}.base_prompt_last": last_tokens(speaker.model, prompts, speaker.budget)
        for name, prompts in questions.items()
    }
    rows: list[Row] = []
    with with_adapters(speaker.model, adapters) as model:
        state = replace(speaker, model=model)
        for name, prompts in questions.items():
            found, read = _of_trait(state, name, prompts, spec)
            rows += found
            tensors |= read
    return rows, tensors


def _of_trait(
    state: Speaker, name: str, prompts: list[list[int]], spec: Spec
) -> tuple[list[Row], Tensors]:
    trait = spec["traits"][name]
    asked = [
        (item, prompt, number)
        for item, prompt in zip(items_of(trait["evaluation_questions"]), prompts, strict=True)
        for number in range(spec["samples"])
    ]
    repeated = [prompt for _, prompt, _ in asked]
    answers = _answers(state, repeated, spec, name)
    rows = [
        {"trait": name, "item": item, "sample": number} | state.said(answer)
        for (item, _, number), answer in zip(asked, answers, strict=True)
    ]
    means = read_answers(state.model, repeated, answers, state.budget)
    read = {
        "prompt_last": last_tokens(state.model, prompts, state.budget),
        "response_mean": means["response_mean"],
        **_centroids(state, trait),
    }
    return rows, {f"{name}.{key}": tensor for key, tensor in read.items()}


def _centroids(state: Speaker, trait: dict[str, Any]) -> Tensors:
    """Mean prompt-last activation [blocks, width] under each side's instructions."""
    asked = list(instructed(trait))
    prompts = [state.encode(a.messages) for a in asked]
    last = last_tokens(state.model, prompts, state.budget)
    return {side: last[torch.tensor([a.side == side for a in asked])].mean(dim=0) for side in SIDES}


def _answers(speaker: Speaker, prompts: list[list[int]], spec: Spec, name: str) -> list[Generated]:
    return speaker.answer(
        prompts,
        max_new_tokens=spec["max_new_tokens"],
        temperature=spec["temperature"],
        seed=stream(spec["seed"], name),
    )


def read_answers(
    model: Any,
    prompts: list[list[int]],
    answers: list[Generated],
    budget: Portion | None = None,
) -> Tensors:
    """`response_mean` and `prompt_last` of each answer to its prompt; NaN where it is empty."""
    said = [row for row, answer in enumerate(answers) if answer.ids]
    means = hidden_means(
        model,
        [prompts[row] for row in said],
        [answers[row].ids for row in said],
        token_budget=budget,
    )
    read = {"response_mean": means.response_mean, "prompt_last": means.prompt_last}
    return {key: _at_rows(tensor[:, 1:], said, len(answers)) for key, tensor in read.items()}


def _at_rows(tensor: torch.Tensor, rows: list[int], total: int) -> torch.Tensor:
    whole = torch.full((total, *tensor.shape[1:]), torch.nan)
    whole[rows] = tensor
    return whole


def last_tokens(
    model: Any, prompts: list[list[int]], budget: Portion | None = None
) -> torch.Tensor:
    """[prompts, blocks, width] at each prompt's last token, with nothing generated behind it."""
    before, last = [p[:-1] for p in prompts], [p[-1:] for p in prompts]
    means = hidden_means(model, before, last, token_budget=budget)
    return means.response_mean[:, 1:].contiguous()
