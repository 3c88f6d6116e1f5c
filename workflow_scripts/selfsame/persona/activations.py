"""The base model and its states read for persona vectors: answers and residual-stream means.

Files hold layers only, [rows, blocks, width] in float32: row l of a table's row is layer l of
`models.blocks`. They are written while the model is read, some rows at a time. What the model
generates and what is read of it are raw facts; judging, filtering and projecting come later,
without a model.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from selfsame.data.prompts import user
from selfsame.models.blocks import residual_blocks
from selfsame.models.memory import Portion
from selfsame.models.switching import with_adapters
from selfsame.persona.questions import SIDES, instructed, items_of
from selfsame.persona.storage import KINDS, RESPONSE_MEAN
from selfsame.persona.stored import Write, places, writing_arrays
from selfsame.sampling.generation import Generated
from selfsame.sampling.hidden import hidden_means
from selfsame.sampling.state import Speaker, stream

Row = dict[str, Any]
Tensors = dict[str, torch.Tensor]
Spec = dict[str, Any]
# Tensors of a portion's rows that are in memory at once: both read-outs as `sampling.hidden` gives
# them, embeddings and all, and as they are written.
HELD = 4


def rollouts(speaker: Speaker, spec: Spec, path: Path) -> list[Row]:
    """Answers under a trait's instructions; their activations are written to a file.

    Returns rows of tables.rollouts.ROLLOUTS without the trait's keys. The file has `response_mean`
    and `prompt_last`, row by row; NaN where the answer is empty.
    """
    asked = [(a, n) for a in instructed(spec) for n in range(spec["rollouts"])]
    prompts = [speaker.encode(a.messages) for a, _ in asked]
    answers = _answers(speaker, prompts, spec, "rollouts")
    shape = (len(answers), *_row_shape(speaker.model))
    with writing_arrays(path, dict.fromkeys(KINDS, shape)) as write:
        _Reader(speaker, write).answers({kind: kind for kind in KINDS}, prompts, answers)
    return [
        {"side": a.side, "instruction": a.instruction, "item": a.item, "sample": n}
        | speaker.said(answer)
        for (a, n), answer in zip(asked, answers, strict=True)
    ]


def state_activations(
    speaker: Speaker, adapters: Sequence[Path], spec: Spec, path: Path
) -> list[Row]:
    """What a state answers to every trait's evaluation questions; its activations go to a file.

    `speaker` holds the base, on which the state's adapters are put and taken off again. Returns
    rows of tables.persona_answers.PERSONA_ANSWERS without the state's keys. The file has for each
    trait `<trait>.base_prompt_last` and `<trait>.prompt_last` [items, ...], `<trait>.response_mean`
    [answers, ...], `<trait>.positive` and `<trait>.negative` [blocks, width], the mean prompt-last
    activations under the trait's instructions.
    """
    questions = {
        name: [speaker.encode(user(question)) for question in trait["evaluation_questions"]]
        for name, trait in spec["traits"].items()
    }
    rows: list[Row] = []
    with writing_arrays(path, _shapes(questions, spec, _row_shape(speaker.model))) as write:
        for name, prompts in questions.items():
            _Reader(speaker, write).last_tokens(f"{name}.base_prompt_last", prompts)
        with with_adapters(speaker.model, adapters) as model:
            reader = _Reader(replace(speaker, model=model), write)
            for name, prompts in questions.items():
                rows += _of_trait(reader, name, prompts, spec)
    return rows


def _row_shape(model: Any) -> tuple[int, int]:
    """Blocks and width."""
    return len(residual_blocks(model)), model.config.hidden_size


def _shapes(
    questions: Mapping[str, Sequence[Any]], spec: Spec, row: tuple[int, int]
) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for name, prompts in questions.items():
        items, answers = (len(prompts), *row), (len(prompts) * spec["samples"], *row)
        shapes |= {f"{name}.base_prompt_last": items, f"{name}.prompt_last": items}
        shapes |= {f"{name}.{RESPONSE_MEAN}": answers}
        shapes |= {f"{name}.{side}": row for side in SIDES}
    return shapes


def _of_trait(reader: "_Reader", name: str, prompts: list[list[int]], spec: Spec) -> list[Row]:
    state, trait = reader.state, spec["traits"][name]
    asked = [
        (item, prompt, number)
        for item, prompt in zip(items_of(trait["evaluation_questions"]), prompts, strict=True)
        for number in range(spec["samples"])
    ]
    repeated = [prompt for _, prompt, _ in asked]
    answers = _answers(state, repeated, spec, name)
    reader.answers({RESPONSE_MEAN: f"{name}.{RESPONSE_MEAN}"}, repeated, answers)
    reader.last_tokens(f"{name}.prompt_last", prompts)
    reader.centroids(name, trait)
    return [
        {"trait": name, "item": item, "sample": number} | state.said(answer)
        for (item, _, number), answer in zip(asked, answers, strict=True)
    ]


@dataclass(frozen=True)
class _Reader:
    """Reads a state and writes what it reads, some rows at a time."""

    state: Speaker
    write: Write

    def answers(
        self, names: Mapping[str, str], prompts: list[list[int]], answers: list[Generated]
    ) -> None:
        """The answers' read-outs. names: what each that is wanted is called in the file."""
        for rows in self._portions(len(prompts)):
            read = read_answers(self.state.model, prompts[rows], answers[rows], self.state.budget)
            for kind, name in names.items():
                self.write(name, rows.start, read[kind].numpy())

    def last_tokens(self, name: str, prompts: list[list[int]]) -> None:
        """The prompts' last tokens."""
        for rows in self._portions(len(prompts)):
            last = last_tokens(self.state.model, prompts[rows], self.state.budget)
            self.write(name, rows.start, last.numpy())

    def centroids(self, name: str, trait: Spec) -> None:
        """The mean over a side's instructed prompts of their last tokens, [blocks, width]."""
        asked = list(instructed(trait))
        prompts = [self.state.encode(a.messages) for a in asked]
        sums = {side: torch.zeros(_row_shape(self.state.model)) for side in SIDES}
        for rows in self._portions(len(prompts)):
            last = last_tokens(self.state.model, prompts[rows], self.state.budget)
            for side in SIDES:
                own = torch.tensor([a.side == side for a in asked[rows]])
                sums[side] += last[own].sum(dim=0)
        for side, total in sums.items():
            count = sum(a.side == side for a in asked)
            self.write(f"{name}.{side}", 0, (total / count).numpy())

    def _portions(self, count: int) -> Iterator[slice]:
        blocks, width = _row_shape(self.state.model)
        return places(count, HELD * (blocks + 1) * width * torch.float32.itemsize)


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
