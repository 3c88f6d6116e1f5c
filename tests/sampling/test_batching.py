"""Batches keep their promises for any lengths; reading in pieces equals reading the whole."""

from collections.abc import Iterable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedModel

from selfsame.errors import UserError
from selfsame.models.footprint import CACHED_BUDGETS
from selfsame.sampling.batching import (
    Family,
    Reader,
    branches_of,
    cached_columns,
    check_readable,
    family_batches,
    inference,
    pieces,
    shared_prefix_length,
    token_batches,
)
from selfsame.sampling.budget import default_token_budget

LENGTHS = st.lists(st.integers(1, 300), max_size=60)
BUDGETS = st.integers(1, 1000)
SEQUENCES = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=8), min_size=1, max_size=5)


@given(LENGTHS, BUDGETS)
def test_every_index_is_in_one_batch_within_the_budget(lengths: list[int], budget: int) -> None:
    batches = token_batches(lengths, budget)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= budget


@given(LENGTHS, BUDGETS)
def test_longest_come_first(lengths: list[int], budget: int) -> None:
    order = [lengths[index] for batch in token_batches(lengths, budget) for index in batch]
    assert order == sorted(lengths, reverse=True)


@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.lists(st.integers(1, 50), min_size=1, max_size=8)),
        max_size=12,
    ),
    BUDGETS,
)
def test_families_keep_their_branches_and_the_budget(
    shapes: list[tuple[int, list[int]]], budget: int
) -> None:
    families = [
        Family(
            [number] * prefix,
            [[number, place] * size for place, size in enumerate(sizes)],
            list(range(len(sizes))),
        )
        for number, (prefix, sizes) in enumerate(shapes)
    ]
    batches = family_batches(families, budget)
    assert _branches(part for batch in batches for part in batch) == _branches(families)
    for batch in batches:
        branches = [branch for part in batch for branch in part.branches]
        widest = max(map(len, branches)) + max(len(part.prefix) for part in batch)
        assert cached_columns(batch) == widest
        assert len(branches) == 1 or len(branches) * widest <= CACHED_BUDGETS * budget


def _branches(families: Iterable[Family]) -> list[tuple[list[int], list[int], int]]:
    return sorted(
        (family.prefix, branch, index)
        for family in families
        for branch, index in zip(family.branches, family.indices, strict=True)
    )


def test_branches_keep_their_prefix_and_index_longest_first() -> None:
    batch = [Family([1], [[2], [3, 3, 3]], [5, 4]), Family([7], [[8, 8]], [0])]
    branches = branches_of(batch)
    assert branches.tokens == [[3, 3, 3], [8, 8], [2]]
    assert branches.owners == [0, 1, 0]
    assert branches.indices == [4, 0, 5]


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30), BUDGETS)
def test_pieces_are_the_rows_in_order_within_the_budget(lengths: list[int], budget: int) -> None:
    rows = [[number] * length for number, length in enumerate(lengths)]
    parts = pieces(rows, budget, torch.device("cpu"))
    read = [
        ids[:length]
        for part in parts
        for ids, length in zip(part.ids.tolist(), part.lengths.tolist(), strict=True)
    ]
    assert read == rows
    assert all(len(part.ids) == 1 or part.ids.numel() <= budget for part in parts)


@given(SEQUENCES)
def test_shared_prefix_is_the_longest_that_leaves_a_token(sequences: list[list[int]]) -> None:
    length = shared_prefix_length(sequences)
    assert all(sequence[:length] == sequences[0][:length] for sequence in sequences)
    assert all(len(sequence) > length for sequence in sequences)
    longer = [sequence[: length + 1] for sequence in sequences]
    assert any(row != longer[0] for row in longer) or min(map(len, sequences)) == length + 1


@pytest.mark.parametrize("budget", [1, 4, 100])
@pytest.mark.parametrize("kernel", ["sdpa", "eager"])
def test_texts_read_like_the_whole(model: PreTrainedModel, budget: int, kernel: str) -> None:
    """Rows of different lengths, some empty, in one pass for each row, for some, and for all."""
    model.set_attn_implementation(kernel)
    rows = [[[5, 6, 7], [8], [9, 10]], [[11], [], [12]], [[], [13, 14], [15]], [[16] * 5, [], [17]]]
    reader = Reader(model, len(rows), 5 + 2 + 2)
    with inference(model):
        for number in range(2):
            reader.fill(pieces([row[number] for row in rows], budget, model.device))
        logits = reader.logits(pieces([row[2] for row in rows], budget, model.device))
    assert_reads(model, logits, [[*a, *b, *c] for a, b, c in rows])


@pytest.mark.parametrize("budget", [1, 6, 100])
def test_a_reader_goes_on_with_the_rows_it_is_given(model: PreTrainedModel, budget: int) -> None:
    reader = Reader(model, 2, 3 + 3)
    with inference(model):
        reader.fill(pieces([[1, 2, 3], [4]], budget, model.device))
        reader.select(torch.tensor([1, 0, 1]))
        logits = reader.logits(pieces([[5], [6, 7], [8, 9, 10]], budget, model.device))
    assert_reads(model, logits, [[4, 5], [1, 2, 3, 6, 7], [4, 8, 9, 10]])


def assert_reads(model: PreTrainedModel, logits: torch.Tensor, texts: list[list[int]]) -> None:
    """Each row of `logits` [rows, vocabulary] follows its text, read alone."""
    with torch.no_grad():
        for row, text in zip(logits, texts, strict=True):
            whole = model(input_ids=torch.tensor([text])).logits[0, -1]
            torch.testing.assert_close(row, whole, atol=1e-5, rtol=1e-5)


def test_the_cache_is_taken_once_and_no_wider_than_said(model: PreTrainedModel) -> None:
    """Columns are rounded up by less than one step, and kept from the first text to the last."""
    reader = Reader(model, 2, 20 + 5)
    with inference(model):
        reader.fill(pieces([[1] * 20, [2] * 3], 20, model.device))
        first = [layer.keys for layer in reader._cache.layers]
        reader.logits(pieces([[3] * 5, [4]], 5, model.device))
    assert all(keys.shape[:3:2] == (2, 32) for keys in first)
    assert all(layer.keys is keys for layer, keys in zip(reader._cache.layers, first, strict=True))


def test_empty_and_overlong_prompts_are_user_errors(model: PreTrainedModel) -> None:
    limit = model.config.max_position_embeddings
    check_readable(model, [1, limit])
    with pytest.raises(UserError, match="prompt 1 is empty"):
        check_readable(model, [1, 0])
    with pytest.raises(UserError, match=f"prompt 0 needs {limit + 1} positions"):
        check_readable(model, [limit + 1])


def test_attention_without_masks_is_a_user_error(
    model: PreTrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model.config, "_attn_implementation_internal", "flash_attention_2")
    with pytest.raises(UserError, match="attn_implementation='sdpa'"):
        check_readable(model, [1])


def test_inference_restores_training(model: PreTrainedModel) -> None:
    model.train()
    with inference(model):
        assert not model.training
        assert torch.is_inference_mode_enabled()
    assert model.training


def test_a_device_nobody_tuned_takes_the_budget_of_the_cpu() -> None:
    assert default_token_budget(torch.device("meta")) == default_token_budget(torch.device("cpu"))
