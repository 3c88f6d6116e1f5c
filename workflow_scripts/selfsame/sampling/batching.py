"""Token-budget batches, and reading rows of tokens piece by piece through a key-value cache.

A **family** is a prefix and the branches that continue it: an article with the questions about it,
a prompt with its responses. A `Reader` reads the prefixes of a batch once, then the branches on top
of them. What a batch holds is limited by its cache; each text of a batch is read in as many passes
as the token budget asks for. The first text is plain causal: padded on the right it needs no
attention mask, since no real token sees what stands to its right, and this keeps the fast kernel.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from transformers import Cache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from selfsame.errors import UserError
from selfsame.models.blocks import residual_blocks
from selfsame.models.footprint import CACHED_BUDGETS
from selfsame.models.steering import Steering, steered

# Keys and values are read up to a multiple of this: on a CPU a branch over 352 columns takes about
# 5% less than over 350.
COLUMN_STEP = 16

# Kernels that take the explicit masks of branches and of decoding.
ATTENTION_KERNELS = ("sdpa", "eager")


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

    Each branch of a batch counts in the cache with the longest prefix and the longest branch; all
    together are at most CACHED_BUDGETS * `token_budget` tokens, unless one branch alone is more.
    """
    parts = [part for family in families for part in _split_family(family, token_budget)]
    parts.sort(key=lambda part: (-len(part.prefix), -part.longest))
    batches: list[list[Family]] = []
    for part in parts:
        if batches and _cached_tokens([*batches[-1], part]) <= CACHED_BUDGETS * token_budget:
            batches[-1].append(part)
        else:
            batches.append([part])
    return batches


def _split_family(family: Family, token_budget: int) -> list[Family]:
    size = max(1, CACHED_BUDGETS * token_budget // cached_columns([family]))
    return [
        Family(family.prefix, family.branches[i : i + size], family.indices[i : i + size])
        for i in range(0, len(family.branches), size)
    ]


def family_extent(batch: Sequence[Family]) -> tuple[int, int]:
    """Branches of a batch, and the tokens they take in the cache: each with a copy of its prefix
    and padded.
    """
    branches = sum(len(family.branches) for family in batch)
    return branches, branches * cached_columns(batch)


def _cached_tokens(batch: Sequence[Family]) -> int:
    return family_extent(batch)[1]


def cached_columns(batch: Sequence[Family]) -> int:
    """Columns that the longest prefix and the longest branch of a batch take in the cache."""
    return max(len(family.prefix) for family in batch) + max(family.longest for family in batch)


@dataclass(frozen=True)
class Branches:
    """The branches of a batch, longest first, so that neighbours are of about one length.

    Branch number i continues prefix `owners[i]`, and is the caller's `indices[i]`.
    """

    tokens: list[list[int]]
    owners: list[int]
    indices: list[int]


def branches_of(batch: Sequence[Family]) -> Branches:
    """All branches of the families."""
    rows = [
        (branch, owner, index)
        for owner, family in enumerate(batch)
        for branch, index in zip(family.branches, family.indices, strict=True)
    ]
    rows.sort(key=lambda row: -len(row[0]))
    tokens, owners, indices = zip(*rows, strict=True)
    return Branches(list(tokens), list(owners), list(indices))


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


def pieces(rows: Sequence[Sequence[int]], token_budget: int, device: torch.device) -> list[Piece]:
    """The rows in order, in pieces of at most `token_budget` padded tokens or of a single row."""
    parts: list[list[Sequence[int]]] = []
    for row in rows:
        width = max(len(other) for other in [*parts[-1], row]) if parts else 0
        if parts and (len(parts[-1]) + 1) * width <= token_budget:
            parts[-1].append(row)
        else:
            parts.append([row])
    return [right_padded(part, device) for part in parts]


def right_padded(rows: Sequence[Sequence[int]], device: torch.device) -> Piece:
    """The rows as one piece. Any valid id does for padding: it repeats a row's last token."""
    width = max(len(row) for row in rows)
    padded = [[*row, *list(row[-1:] or [0]) * (width - len(row))] for row in rows]
    lengths = torch.tensor([len(row) for row in rows], device=device)
    return Piece(torch.tensor(padded, dtype=torch.long, device=device), lengths)


class _CacheFilled(Exception):  # noqa: N818 - a signal, not an error
    """Leaves a forward pass whose keys and values are all stored."""


@dataclass
class _Window:
    """The part of a cache [total, heads, columns, width] that a forward pass reads and continues.

    It reads `rows`, of which the columns up to `filled` were written before, up to column `stop`.
    """

    rows: slice
    total: int
    columns: int
    filled: int = 0
    stop: int = 0


class _Layer(DynamicLayer):
    """Keys and values of one block, each [total, heads, columns, width], written in place.

    Transformers' own layer copies everything it holds in every forward pass.
    """

    def __init__(self, window: _Window) -> None:
        super().__init__()
        self.window = window

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        self.keys, self.values = self._empty(key_states), self._empty(value_states)
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        rows, start = self.window.rows, self.window.filled
        new = slice(start, start + key_states.shape[2])
        self.keys[rows, :, new] = key_states
        self.values[rows, :, new] = value_states
        return self.stored()

    def stored(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values of the window."""
        rows, stop = self.window.rows, self.window.stop
        return self.keys[rows, :, :stop], self.values[rows, :, :stop]

    def get_seq_length(self) -> int:
        return self.window.filled

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        if self.is_initialized:
            self.keys = self._selected(self.keys, indices)
            self.values = self._selected(self.values, indices)

    def _selected(self, stored: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
        selected, filled = self._empty(stored), slice(self.window.filled)
        torch.index_select(stored[:, :, filled], 0, indices, out=selected[:, :, filled])
        return selected

    def _empty(self, like: torch.Tensor) -> torch.Tensor:
        # Zeros, because a column that the mask hides must still hold a number.
        return like.new_zeros(self.window.total, like.shape[1], self.window.columns, like.shape[3])


class _Cache(Cache):
    """A cache whose last block can be left once it has stored its part, and read without storing.

    filling: storing in the last block raises _CacheFilled. reading: what comes is already stored.
    """

    def __init__(self, layers: int, window: _Window) -> None:
        super().__init__(layers=[_Layer(window) for _ in range(layers)])
        self.filling = False
        self.reading = False

    def update(
        self,
        key_states: torch.Tensor,
        value_states: torch.Tensor,
        layer_idx: int,
        *args: Any,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        stored: tuple[torch.Tensor, torch.Tensor]
        if self.reading:
            layer = self.layers[layer_idx]
            assert isinstance(layer, _Layer)
            return layer.stored()
        stored = super().update(key_states, value_states, layer_idx, *args, **kwargs)
        if self.filling and layer_idx == len(self.layers) - 1:
            raise _CacheFilled
        return stored


class Reader:
    """Reads texts one after the other: row r of a text continues row r of the texts before it.

    A text is a list of pieces, which are its rows from the first on, one forward pass each. The
    result is that of reading each row in one go, its padding left out: padded columns stay in the
    cache, hidden by the mask, and positions count real tokens.
    """

    def __init__(
        self, model: PreTrainedModel, rows: int, columns: int, steering: Steering | None = None
    ) -> None:
        """rows: of the first text. columns: of all texts together, each at its widest row.

        steering: added wherever a next token is predicted, that is, at the positions of `logits`;
        if it is to be everywhere, in all that is read.
        """
        self.model = model
        self.steering = steering
        self._window = _Window(slice(rows), rows, _aligned(columns))
        self._cache = _Cache(model.config.num_hidden_layers, self._window)
        # [rows, columns]: the real tokens in the cache.
        self._seen = torch.zeros(rows, self._window.columns, dtype=torch.bool, device=model.device)

    def fill(self, text: Sequence[Piece]) -> None:
        """Read for the cache alone: the last block and what follows are left out."""
        everywhere = self.steering if self.steering and self.steering.everywhere else None
        self._cache.filling = True
        for _, inputs in self.passes(text):
            with suppress(_CacheFilled), steered(self.model, everywhere):
                self.model.base_model(**inputs)
        self._cache.filling = False

    def logits(self, text: Sequence[Piece]) -> torch.Tensor:
        """Read, and return the logits [rows, vocabulary] after the last real token of each row."""
        rows = []
        for piece, inputs in self.passes(text):
            last = piece.lengths - 1
            pushed = None if self.steering and self.steering.everywhere else last
            with (
                self._last_block_at(last, piece.ids.shape[1]),
                head_on(self.model, partial(_one_a_row, columns=last)),
                steered(self.model, self.steering, pushed),
            ):
                rows.append(self.model(**inputs).logits[:, 0])
        return torch.cat(rows)

    @contextmanager
    def _last_block_at(self, columns: torch.Tensor, new: int) -> Iterator[None]:
        """Let the last block answer at one of the `new` columns of each row alone.

        All columns leave their keys and values; what else the block would compute of them nobody
        reads. columns: [rows]. The other columns of its output are zero.
        """
        block = residual_blocks(self.model)[-1]
        whole = block.forward

        def at_columns(*args: Any, **kwargs: Any) -> torch.Tensor:
            call = inspect.signature(whole).bind(*args, **kwargs)
            self._cache.filling = True
            with suppress(_CacheFilled):
                whole(*call.args, **call.kwargs)
            self._cache.filling, self._cache.reading = False, True
            output = torch.zeros_like(args[0])
            rows = torch.arange(len(columns), device=columns.device)
            output[rows, columns] = whole(**self._at(call, rows, columns, new))[:, 0]
            self._cache.reading = False
            return output

        if new > 1:
            block.forward = at_columns
        try:
            yield
        finally:
            block.__dict__.pop("forward", None)

    def _at(
        self, call: inspect.BoundArguments, rows: torch.Tensor, columns: torch.Tensor, new: int
    ) -> dict[str, Any]:
        """A block's arguments with one column of each row left: [rows, new, ...] to [rows, 1, ...].

        The mask [rows, 1, 1, columns] shows all that is stored of a row.
        """

        def narrow(value: Any) -> Any:
            if isinstance(value, tuple):
                return tuple(narrow(part) for part in value)
            if not isinstance(value, torch.Tensor) or value.shape[1:2] != (new,):
                return value
            return value.expand(len(rows), *value.shape[1:])[rows, columns][:, None]

        extra = call.arguments.pop("kwargs", {})
        found = {name: narrow(value) for name, value in {**call.arguments, **extra}.items()}
        seen = self._seen[self._window.rows, : self._window.stop]
        return found | {"attention_mask": self._additive(seen[:, None, None])}

    def passes(self, text: Sequence[Piece]) -> Iterator[tuple[Piece, dict[str, Any]]]:
        """Each piece with the model arguments to read it, which the caller does before the next."""
        window, stop = self._window, 0
        for piece in text:
            window.rows = slice(stop, stop := stop + len(piece.ids))
            if piece.ids.shape[1]:
                yield piece, self._inputs(piece)
        window.filled += max(piece.ids.shape[1] for piece in text)

    def select(self, rows: torch.Tensor) -> None:
        """Go on with these rows, in this order; a row may be named several times."""
        self._window.total = len(rows)
        self._cache.batch_select_indices(rows)
        self._seen = self._seen[rows]

    def _inputs(self, piece: Piece) -> dict[str, Any]:
        """Model arguments for the next piece, which is noted as seen."""
        window, new = self._window, piece.ids.shape[1]
        window.stop = end = window.filled + new
        inputs: dict[str, Any] = {
            "input_ids": piece.ids,
            "past_key_values": self._cache,
            "use_cache": True,
        }
        columns = torch.arange(new, device=piece.ids.device)
        if window.filled:
            window.stop = _aligned(end)
            seen = self._seen[window.rows, : window.stop]
            last = (piece.lengths[:, None] - 1).clamp(min=0)
            inputs["position_ids"] = seen.sum(1, keepdim=True) + torch.minimum(columns, last)
            inputs["attention_mask"] = self._mask(seen, slice(window.filled, end))
        self._seen[window.rows, window.filled : end] = columns < piece.lengths[:, None]
        return inputs

    def _mask(self, seen: torch.Tensor, new: slice) -> torch.Tensor:
        """[rows, 1, new, columns]: `seen` [rows, columns], and the columns `new` causally."""
        size = new.stop - new.start
        visible = seen[:, None, None].repeat(1, 1, size, 1)
        visible[..., new] = torch.ones(size, size, dtype=torch.bool, device=seen.device).tril()
        return self._additive(visible)

    def _additive(self, visible: torch.Tensor) -> torch.Tensor:
        """0 where visible, else the lowest number: eager attention takes no booleans."""
        dtype = self.model.dtype
        mask = torch.zeros(visible.shape, dtype=dtype, device=visible.device)
        return mask.masked_fill_(~visible, torch.finfo(dtype).min)


def _aligned(columns: int) -> int:
    return -(-columns // COLUMN_STEP) * COLUMN_STEP


def _one_a_row(states: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Of states [rows, columns, width] one column of each row: [rows, 1, width]."""
    rows = torch.arange(len(columns), device=columns.device)
    return states[rows, columns][:, None]


@contextmanager
def head_on(
    model: PreTrainedModel, narrow: Callable[[torch.Tensor], torch.Tensor]
) -> Iterator[None]:
    """Compute the language-model head on what `narrow` takes of its input [rows, columns, width].

    As the input is narrowed, whatever a model does to its logits afterwards stays.
    """
    head = model.get_output_embeddings()
    handle = head.register_forward_pre_hook(lambda _, args: (narrow(args[0]),))
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
