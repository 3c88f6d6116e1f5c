"""Means of the residual stream over responses, and the residual stream at the last prompt token.

The one place that says which index is which: index 0 is what enters the first block (the
embeddings), index l + 1 is the raw residual stream that leaves block l. Transformers'
`output_hidden_states` agrees but for its last entry, which it takes after the final norm; here no
entry is normalised.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn
from transformers import PreTrainedModel

from selfsame.errors import UserError
from selfsame.models.blocks import residual_blocks
from selfsame.models.memory import Portion, in_portions
from selfsame.sampling.batching import (
    Family,
    Piece,
    Reader,
    branches_of,
    cached_columns,
    check_readable,
    family_batches,
    family_extent,
    inference,
    pieces,
)
from selfsame.sampling.budget import budget_of


@dataclass(frozen=True)
class HiddenMeans:
    """Float32 tensors [n, layers + 1, width] on the CPU, one row per prompt and response.

    response_mean: mean over the tokens of the response. prompt_last: at the prompt's last token.
    """

    response_mean: torch.Tensor
    prompt_last: torch.Tensor


def hidden_means(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    responses: Sequence[Sequence[int]],
    *,
    last_layer: int | None = None,
    token_budget: Portion | int | None = None,
) -> HiddenMeans:
    """Residual-stream means of n pairs of prompt and response, given as token ids.

    last_layer: the forward stops after this block (0 is the first) and the result has
    `last_layer + 2` entries per row. token_budget: padded tokens of a forward pass; less where
    memory runs out. A prompt with several responses is read once. The language-model head is never
    computed.

    Raises UserError for an empty prompt or response, a sequence longer than the model, or a block
    the model does not have.
    """
    _check_pairs(model, prompts, responses)
    blocks = _chosen_blocks(model, last_layer)
    # Made outside inference mode: the caller may compute with them under autograd.
    shape = (len(prompts), len(blocks) + 1, model.config.hidden_size)
    result = HiddenMeans(torch.empty(shape), torch.empty(shape))

    def read(batch: list[Family], tokens: int) -> None:
        _read_batch(model, blocks, batch, tokens, result)

    families, budget = _families(prompts, responses), budget_of(token_budget, model.device)
    with inference(model):
        in_portions(families, budget, family_batches, read, family_extent)
    return result


def _read_batch(
    model: PreTrainedModel,
    blocks: list[nn.Module],
    batch: list[Family],
    token_budget: int,
    result: HiddenMeans,
) -> None:
    """Read the prompts, then the responses on top of them; store both at the caller's indices."""
    branches, device = branches_of(batch), model.device
    owners = torch.tensor(branches.owners)
    reader = Reader(model, len(batch), cached_columns(batch))
    prompts = pieces([family.prefix for family in batch], token_budget, device)
    last = _read(reader, prompts, blocks, _last_token)
    reader.select(owners.to(device))
    responses = pieces(branches.tokens, token_budget, device)
    result.prompt_last[branches.indices] = last[owners]
    result.response_mean[branches.indices] = _read(reader, responses, blocks, _mean_token)


def _read(
    reader: Reader,
    text: list[Piece],
    blocks: list[nn.Module],
    weights: Callable[[Piece], torch.Tensor],
) -> torch.Tensor:
    """Read a text; its entries [rows, entries, width] on the CPU, reduced over its columns."""
    rows = []
    for piece, inputs in reader.passes(text):
        with _reduced(blocks, weights(piece)) as entries:
            reader.model.base_model(**inputs)
        rows.append(torch.stack(entries, dim=1))
    return torch.cat(rows).cpu()


def _last_token(piece: Piece) -> torch.Tensor:
    """[rows, columns] weights that pick the last real token."""
    columns = torch.arange(piece.ids.shape[1], device=piece.ids.device)
    return (columns == piece.lengths[:, None] - 1).float()


def _mean_token(piece: Piece) -> torch.Tensor:
    """[rows, columns] weights that average the real tokens."""
    columns = torch.arange(piece.ids.shape[1], device=piece.ids.device)
    return (columns < piece.lengths[:, None]) / piece.lengths[:, None].float()


@contextmanager
def _reduced(blocks: list[nn.Module], weights: torch.Tensor) -> Iterator[list[torch.Tensor]]:
    """Collect [rows, width] of each entry up to the last of `blocks`, where the forward stops.

    An entry is reduced over its columns as it appears, so no layer is kept whole.
    """
    entries: list[torch.Tensor] = []

    def add(hidden: torch.Tensor) -> None:
        entries.append(torch.bmm(weights[:, None], hidden.float())[:, 0])

    def read_input(_: nn.Module, args: tuple[torch.Tensor, ...]) -> None:
        add(args[0])

    def read_output(_: nn.Module, args: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        add(output)

    handles = [blocks[0].register_forward_pre_hook(read_input)]
    handles += [block.register_forward_hook(read_output) for block in blocks]
    try:
        with _stopping_after(blocks[-1]):
            yield entries
    finally:
        for handle in handles:
            handle.remove()


class _LastBlockRead(Exception):  # noqa: N818 - a signal, not an error
    """Leaves a forward pass whose remaining blocks nobody asked for."""


@contextmanager
def _stopping_after(block: nn.Module) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise _LastBlockRead

    handle = block.register_forward_hook(stop)
    try:
        yield
    except _LastBlockRead:
        return
    finally:
        handle.remove()


def _chosen_blocks(model: PreTrainedModel, last_layer: int | None) -> list[nn.Module]:
    blocks = residual_blocks(model)
    if last_layer is None:
        return blocks
    if not 0 <= last_layer < len(blocks):
        raise UserError(f"layer {last_layer}: the model has blocks 0 to {len(blocks) - 1}")
    return blocks[: last_layer + 1]


def _check_pairs(
    model: PreTrainedModel, prompts: Sequence[Sequence[int]], responses: Sequence[Sequence[int]]
) -> None:
    if len(prompts) != len(responses):
        raise UserError(f"{len(prompts)} prompts, but {len(responses)} responses: give one to each")
    for index, response in enumerate(responses):
        if not response:
            raise UserError(f"response {index} is empty and has no mean: leave it out")
    pairs = zip(prompts, responses, strict=True)
    check_readable(
        model, [len(prompt) + len(response) if prompt else 0 for prompt, response in pairs]
    )


def _families(prompts: Sequence[Sequence[int]], responses: Sequence[Sequence[int]]) -> list[Family]:
    members: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for index, prompt in enumerate(prompts):
        members[tuple(prompt)].append(index)
    return [
        Family(list(prompt), [list(responses[index]) for index in indices], indices)
        for prompt, indices in members.items()
    ]
