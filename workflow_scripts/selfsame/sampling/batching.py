"""Token-budget batches, and reading rows of tokens piece by piece through a key-value cache.

A **family** is a prefix and the branches that continue it: an article with the questions about it,
a prompt with its responses. A `Reader` reads the prefixes of a batch once, then the branches on top
of them. The first piece it reads is plain causal text: padded on the right it needs no attention
mask, since no real token sees what stands to its right, and this keeps the fast kernel.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache, PreTrainedModel

from selfsame.errors import UserError

# Padded tokens of one forward pass. On a CPU big batches lose: their activations leave the cache
# (figures: benchmarks/engine.py). A GPU wants enough rows to fill it.
TOKEN_BUDGETS = {"cpu": 1024, "cuda": 16384}

# Tokens a batch may hold in its key-value cache, in budgets: each branch copies its prefix there.
CACHED_BUDGETS = 4

# Kernels that take the explicit masks of branches and of decoding.
ATTENTION_KERNELS = ("sdpa", "eager")


def default_token_budget(device: torch.device) -> int:
    """The budget used where a caller names none, in padded tokens of one forward pass."""
    return TOKEN_BUDGETS.get(device.type, TOKEN_BUDGETS["cpu"])


def token_batches(lengths: Sequence[int], token_budget: int) -> list[list[int]]:
    """Indices of `lengths` in batches, longest first.

    Every index appears once; a batch of several sequences holds at most `token_budget` tokens
    counted at its longest, and a sequence beyond the budget stands alone.
    """
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    batches: list[list[int]] = []
    for index in order:
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= token_budget:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


@dataclass(frozen=True)
class Family:
    """A prefix, one or more branches that continue it, and the caller's index of each branch."""

    prefix: list[int]
    branches: list[list[int]]
    indices: list[int]

    @property
    def longest(self) -> int:
        """Tokens of the longest branch."""
        return max(len(branch) for branch in self.branches)


def family_batches(families: Sequence[Family], token_budget: int) -> list[list[Family]]:
    """The families in batches, longest prefix first, large families cut into several of one prefix.

    Neither the prefixes nor the branches of a batch are more than `token_budget` padded tokens,
    unless one prefix or one branch alone is.
    """
    parts = [part for family in families for part in _split_family(family, token_budget)]
    parts.sort(key=lambda part: (-len(part.prefix), -part.longest))
    batches: list[list[Family]] = []
    for part in parts:
        if batches and _padded_tokens([*batches[-1], part]) <= token_budget:
            batches[-1].append(part)
        else:
            batches.append([part])
    return batches


def _split_family(family: Family, token_budget: int) -> list[Family]:
    together = min(
        token_budget // family.longest,
        CACHED_BUDGETS * token_budget // (len(family.prefix) + family.longest),
    )
    size = max(1, together)
    return [
        Family(family.prefix, family.branches[i : i + size], family.indices[i : i + size])
        for i in range(0, len(family.branches), size)
    ]


def _padded_tokens(batch: Sequence[Family]) -> int:
    """The most tokens a batch takes at once: prefixes, branches, or its share of the cache."""
    prefix = max(len(family.prefix) for family in batch)
    branch = max(family.longest for family in batch)
    rows = sum(len(family.branches) for family in batch)
    return max(len(batch) * prefix, rows * branch, rows * (prefix + branch) // CACHED_BUDGETS)


def shared_prefix_length(sequences: Sequence[Sequence[int]]) -> int:
    """Number of leading tokens common to all, short of the last token of the shortest."""
    # The smallest and the largest in dictionary order differ first where any two do.
    ordered = sorted(list(sequence) for sequence in sequences)
    first, last = ordered[0], ordered[-1]
    limit = min(len(sequence) for sequence in sequences) - 1
    differing = (position for position in range(limit) if first[position] != last[position])
    return next(differing, limit)


@dataclass(frozen=True)
class Piece:
    """Right-padded rows: `ids` [rows, columns] int64, and `lengths` [rows] without the padding."""

    ids: torch.Tensor
    lengths: torch.Tensor


def right_padded(rows: Sequence[Sequence[int]], device: torch.device) -> Piece:
    """The rows as one piece. Any valid id does for padding: it repeats a row's last token."""
    width = max(len(row) for row in rows)
    padded = [[*row, *list(row[-1:] or [0]) * (width - len(row))] for row in rows]
    lengths = torch.tensor([len(row) for row in rows], device=device)
    return Piece(torch.tensor(padded, dtype=torch.long, device=device), lengths)


class _CacheFilled(Exception):  # noqa: N818 - a signal, not an error
    """Leaves a forward pass whose keys and values are all stored."""


class _Cache(DynamicCache):
    """A growing cache that can end the forward pass once the last block has stored its part."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.last_layer = layers - 1
        self.filling = False

    def update(
        self,
        key_states: torch.Tensor,
        value_states: torch.Tensor,
        layer_idx: int,
        *args: Any,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        stored: tuple[torch.Tensor, torch.Tensor]
        stored = super().update(key_states, value_states, layer_idx, *args, **kwargs)
        if self.filling and layer_idx == self.last_layer:
            raise _CacheFilled
        return stored


class Reader:
    """Reads pieces one after the other: row r of a piece continues row r of the pieces before it.

    The result is that of reading each row in one go, its padding left out: padded columns stay in
    the cache, hidden by the mask, and positions count real tokens.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self.model = model
        self._cache = _Cache(model.config.num_hidden_layers)
        self._seen: torch.Tensor | None = None

    def fill(self, piece: Piece) -> None:
        """Read for the cache alone: the last block and what follows are left out."""
        if piece.ids.shape[1] == 0:
            return
        self._cache.filling = True
        try:
            self.hidden(piece)
        except _CacheFilled:
            pass
        finally:
            self._cache.filling = False

    def hidden(self, piece: Piece) -> None:
        """Read without the language-model head, for hooks that look on."""
        self.model.base_model(**self._inputs(piece))

    def logits(self, piece: Piece) -> torch.Tensor:
        """Read, and return the logits [rows, vocabulary] after the last real token of each row."""
        with _head_at(self.model, piece.lengths - 1):
            output = self.model(**self._inputs(piece))
        logits: torch.Tensor = output.logits
        return logits[:, 0]

    def select(self, rows: torch.Tensor) -> None:
        """Go on with these rows, in this order; a row may be named several times."""
        self._cache.batch_select_indices(rows)
        self._seen = None if self._seen is None else self._seen[rows]

    def _inputs(self, piece: Piece) -> dict[str, Any]:
        """Model arguments for the next piece, which is noted as seen."""
        columns = torch.arange(piece.ids.shape[1], device=piece.ids.device)
        real = columns < piece.lengths[:, None]
        inputs: dict[str, Any] = {
            "input_ids": piece.ids,
            "past_key_values": self._cache,
            "use_cache": True,
        }
        if self._seen is not None:
            start = self._seen.sum(1, keepdim=True)
            last = (piece.lengths[:, None] - 1).clamp(min=0)
            inputs["position_ids"] = start + torch.minimum(columns, last)
            inputs["attention_mask"] = self._mask(len(columns))
        self._seen = real if self._seen is None else torch.cat([self._seen, real], 1)
        return inputs

    def _mask(self, new: int) -> torch.Tensor:
        """[rows, 1, new, seen + new]: the real tokens seen so far, and the new ones causally.

        Additive, 0 or the lowest number, because eager attention takes no booleans.
        """
        assert self._seen is not None
        rows = len(self._seen)
        causal = torch.ones(new, new, dtype=torch.bool, device=self._seen.device).tril()
        parts = [self._seen[:, None].expand(rows, new, -1), causal.expand(rows, new, new)]
        hidden = ~torch.cat(parts, -1)[:, None]
        dtype = self.model.dtype
        mask = torch.zeros(hidden.shape, dtype=dtype, device=hidden.device)
        return mask.masked_fill_(hidden, torch.finfo(dtype).min)


@contextmanager
def _head_at(model: PreTrainedModel, columns: torch.Tensor) -> Iterator[None]:
    """Compute the language-model head at one column of each row: logits [rows, 1, vocabulary].

    Its input is narrowed, so whatever a model does to its logits afterwards stays.
    """

    def narrow(_: torch.nn.Module, args: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        rows = torch.arange(len(columns), device=columns.device)
        return (args[0][rows, columns][:, None],)

    handle = model.get_output_embeddings().register_forward_pre_hook(narrow)
    try:
        yield
    finally:
        handle.remove()


def check_readable(model: PreTrainedModel, lengths: Sequence[int]) -> None:
    """Raise UserError for an empty prompt, one too long for the model, or an unfit kernel.

    lengths: positions that each prompt needs, with what is to follow it.
    """
    kernel = model.config._attn_implementation
    if kernel not in ATTENTION_KERNELS:
        raise UserError(f"attention {kernel!r}: load the model with attn_implementation='sdpa'")
    limits = (
        getattr(model.config, key, None) for key in ("max_position_embeddings", "sliding_window")
    )
    limit = min((value for value in limits if value is not None), default=None)
    for index, length in enumerate(lengths):
        if length == 0:
            raise UserError(f"prompt {index} is empty: give it at least one token")
        if limit is not None and length > limit:
            raise UserError(
                f"prompt {index} needs {length} positions, the model has {limit}: shorten it"
            )


@contextmanager
def inference(model: PreTrainedModel) -> Iterator[None]:
    """Evaluation mode without autograd; a model that was training goes back to it."""
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(was_training)
