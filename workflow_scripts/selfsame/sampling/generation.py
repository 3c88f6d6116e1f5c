"""Batched generation from a key-value cache: greedy, or sampled with one stream per prompt."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from transformers import PreTrainedModel

from selfsame.errors import UserError
from selfsame.models.footprint import CACHED_BUDGETS
from selfsame.models.memory import Portion, in_portions
from selfsame.models.steering import Steering
from selfsame.sampling.batching import (
    Piece,
    Reader,
    check_readable,
    inference,
    pieces,
    token_batches,
)
from selfsame.sampling.budget import budget_of


@dataclass(frozen=True)
class Generated:
    """The new token ids, without the stop token, and whether a stop token ended them."""

    ids: list[int]
    finished: bool


def generate(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    temperature: float,
    stop_ids: set[int],
    seed: int,
    token_budget: Portion | int | None = None,
    steering: Steering | None = None,
) -> list[Generated]:
    """Continue each prompt by at most `max_new_tokens` tokens.

    Temperature 0 takes the most probable token. Above 0, prompt number i draws from the full
    softmax with uniform numbers of (seed, i), seed >= 0: what it draws does not depend on the
    prompts beside it. A prompt given several times is read once and drawn from separately.
    token_budget: padded tokens of a forward pass; less where memory runs out. A batch holds
    CACHED_BUDGETS times as many in its cache, as the steps after the prompt read one token a row.
    steering: at the last token of each prompt and at every new one.

    Raises UserError for an empty prompt, or one that with its new tokens is longer than the model.
    """
    if temperature < 0 or max_new_tokens < 1:
        given = f"temperature {temperature}, max_new_tokens {max_new_tokens}"
        raise UserError(f"{given}: the first must be 0 or more, the second 1 or more")
    check_readable(model, [len(prompt) + max_new_tokens if prompt else 0 for prompt in prompts])
    writer = _Writer(model, prompts, max_new_tokens, temperature, stop_ids, seed, steering)
    # Neighbours in this order are equal prompts, so that a batch holds them together.
    order = sorted(range(len(prompts)), key=lambda index: list(prompts[index]))
    budget = budget_of(token_budget, model.device)
    with inference(model):
        in_portions(order, budget, writer.batches, writer.write, writer.extent)
    return [writer.written[index] for index in range(len(prompts))]


@dataclass(frozen=True)
class _Writer:
    """Continues prompts in batches of their indices; collects what was `written`."""

    model: PreTrainedModel
    prompts: Sequence[Sequence[int]]
    steps: int
    temperature: float
    stop_ids: set[int]
    seed: int
    steering: Steering | None
    written: dict[int, Generated] = field(default_factory=dict)

    def batches(self, indices: Sequence[int], tokens: int) -> list[list[int]]:
        """The prompts in batches whose cache holds CACHED_BUDGETS times `tokens`."""
        lengths = [self._columns(index) for index in indices]
        cut = token_batches(lengths, CACHED_BUDGETS * tokens)
        return [[indices[position] for position in batch] for batch in cut]

    def extent(self, indices: list[int]) -> tuple[int, int]:
        """Rows, and the tokens they take in the cache."""
        return len(indices), len(indices) * max(map(self._columns, indices))

    def write(self, indices: list[int], tokens: int) -> None:
        """Continue one batch; the prompts are read `tokens` at a time."""
        uniforms = _uniforms(self.seed, indices, self.steps, self.model.device)
        rows = [tuple(self.prompts[index]) for index in indices]
        columns = max(map(self._columns, indices))
        reader = Reader(self.model, len(set(rows)), columns, self.steering)
        logits = _read_prompts(reader, rows, tokens)
        continued = _continue(reader, logits, _Draws(self.temperature, uniforms), self.stop_ids)
        self.written.update(zip(indices, continued, strict=True))

    def _columns(self, index: int) -> int:
        return len(self.prompts[index]) + self.steps


@dataclass(frozen=True)
class _Draws:
    """How the next token is chosen; `uniforms` [rows, steps] float64 in [0, 1)."""

    temperature: float
    uniforms: torch.Tensor

    def tokens(self, logits: torch.Tensor, rows: torch.Tensor, step: int) -> torch.Tensor:
        """[rows] ids chosen from `logits` [rows, vocabulary]."""
        if self.temperature == 0:
            return logits.argmax(-1)
        # Float64, so that another batch's rounding of the logits moves a draw as rarely as can be.
        cumulative = (logits.double() / self.temperature).softmax(-1).cumsum(-1)
        points = self.uniforms[rows, step, None] * cumulative[:, -1:]
        tokens = torch.searchsorted(cumulative, points, right=True)[:, 0]
        return tokens.clamp_(max=logits.shape[-1] - 1)


def _uniforms(seed: int, indices: Sequence[int], steps: int, device: torch.device) -> torch.Tensor:
    streams = [np.random.default_rng([seed, index]).random(steps) for index in indices]
    return torch.from_numpy(np.stack(streams)).to(device)


def _continue(
    reader: Reader, logits: torch.Tensor, draws: _Draws, stop_ids: set[int]
) -> list[Generated]:
    """Go on from the prompts that were read, with their next-token logits [prompts, vocabulary]."""
    count, steps = draws.uniforms.shape
    ids: list[list[int]] = [[] for _ in range(count)]
    finished = [False] * count
    live = torch.arange(count, device=logits.device)
    for step in range(steps):
        tokens = draws.tokens(logits, live, step)
        going = _record(tokens.tolist(), live.tolist(), ids, finished, stop_ids)
        if not going or step == steps - 1:
            break
        if len(going) < len(live):
            kept = torch.tensor(going, device=live.device)
            live, tokens = live[kept], tokens[kept]
            reader.select(kept)
        logits = reader.logits([Piece(tokens[:, None], torch.ones_like(tokens))])
    return [Generated(*row) for row in zip(ids, finished, strict=True)]


def _read_prompts(
    reader: Reader, prompts: list[tuple[int, ...]], token_budget: int
) -> torch.Tensor:
    """Read each distinct prompt once; the next-token logits [len(prompts), vocabulary]."""
    device = reader.model.device
    rows = {prompt: row for row, prompt in enumerate(dict.fromkeys(prompts))}
    logits = reader.logits(pieces(list(rows), token_budget, device))
    if len(rows) == len(prompts):
        return logits
    owners = torch.tensor([rows[prompt] for prompt in prompts], device=device)
    reader.select(owners)
    return logits[owners]


def _record(
    tokens: list[int],
    live: list[int],
    ids: list[list[int]],
    finished: list[bool],
    stop_ids: set[int],
) -> list[int]:
    """Write the tokens of one step; the positions among `live` that go on."""
    going = []
    for position, (token, row) in enumerate(zip(tokens, live, strict=True)):
        if token in stop_ids:
            finished[row] = True
        else:
            ids[row].append(token)
            going.append(position)
    return going
