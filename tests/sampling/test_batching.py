"""Batches keep their promises for any lengths; reading in pieces equals reading the whole."""

from collections.abc import Iterable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedModel

from selfsame.errors import UserError
from selfsame.sampling.batching import (
    Family,
    Reader,
    check_readable,
    default_token_budget,
    family_batches,
    inference,
    right_padded,
    shared_prefix_length,
    token_batches,
)

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
        longest = max(len(branch) for branch in branches)
        assert len(branches) == 1 or len(branches) * longest <= budget
        assert len(batch) == 1 or len(batch) * max(len(part.prefix) for part in batch) <= budget


def _branches(families: Iterable[Family]) -> list[tuple[list[int], list[int], int]]:
    return sorted(
        (family.prefix, branch, index)
        for family in families
        for branch, index in zip(family.branches, family.indices, strict=True)
    )


@given(SEQUENCES)
def test_shared_prefix_is_the_longest_that_leaves_a_token(sequences: list[list[int]]) -> None:
    length = shared_prefix_length(sequences)
    assert all(sequence[:length] == sequences[0][:length] for sequence in sequences)
    assert all(len(sequence) > length for sequence in sequences)
    longer = [sequence[: length + 1] for sequence in sequences]
    assert any(row != longer[0] for row in longer) or min(map(len, sequences)) == length + 1


def test_pieces_read_like_the_whole(model: PreTrainedModel) -> None:
    texts = [[[5, 6, 7], [8], [9, 10]], [[11], [], [12]], [[], [13, 14], [15]]]
    reader = Reader(model)
    with inference(model):
        for number in range(2):
            reader.fill(right_padded([text[number] for text in texts], model.device))
        logits = reader.logits(right_padded([text[2] for text in texts], model.device))
        for row, text in zip(logits, texts, strict=True):
            whole = model(input_ids=torch.tensor([[*text[0], *text[1], *text[2]]])).logits[0, -1]
            torch.testing.assert_close(row, whole, atol=1e-5, rtol=1e-5)


def test_a_reader_goes_on_with_the_rows_it_is_given(model: PreTrainedModel) -> None:
    reader = Reader(model)
    with inference(model):
        reader.fill(right_padded([[1, 2, 3], [4]], model.device))
        reader.select(torch.tensor([1, 0, 1]))
        logits = reader.logits(right_padded([[5], [6, 7], [8, 9, 10]], model.device))
        for row, text in zip(logits, [[4, 5], [1, 2, 3, 6, 7], [4, 8, 9, 10]], strict=True):
            whole = model(input_ids=torch.tensor([text])).logits[0, -1]
            torch.testing.assert_close(row, whole, atol=1e-5, rtol=1e-5)


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
