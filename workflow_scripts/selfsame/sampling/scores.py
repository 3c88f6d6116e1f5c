"""Log-probabilities of given texts, token by token, each after its prompt.

As with `choices`, a prompt that several texts continue is read once. Full rows of logits are made
only of the positions that predict a token of a text, and of few of them at a time.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain

import torch
from transformers import PreTrainedModel

from selfsame.errors import UserError
from selfsame.models.memory import Portion, in_portions
from selfsame.models.steering import Steering, steered
from selfsame.sampling.batching import (
    Family,
    Piece,
    Reader,
    branches_of,
    cached_columns,
    check_readable,
    family_batches,
    family_extent,
    head_on,
    inference,
    pieces,
)
from selfsame.sampling.budget import budget_of

# Logits held at a time: in float32, half a gigabyte.
MOST_LOGITS = 2**27


def text_logprobs(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    texts: Sequence[Sequence[int]],
    *,
    token_budget: Portion | int | None = None,
    steering: Steering | None = None,
) -> list[list[float]]:
    """Natural log-probability of every token of n texts, given its prompt and the text before it.

    prompts, texts: token ids, one text to a prompt, which may occur several times. token_budget:
    padded tokens of a forward pass; less where memory runs out. steering: where a token of the text
    is predicted, so from the prompt's last token on.

    Returns n lists as long as their texts: full softmax over the vocabulary, in float32.
    Raises UserError for an empty prompt or text, and for one longer than the model.
    """
    _check(model, prompts, texts)
    result: list[list[float]] = [[] for _ in texts]

    def read(batch: list[Family], tokens: int) -> None:
        for index, logprobs in _read_batch(model, batch, texts, tokens, steering):
            result[index] = logprobs

    families, budget = _families(prompts, texts), budget_of(token_budget, model.device)
    with inference(model):
        in_portions(families, budget, family_batches, read, family_extent)
    return result


def _check(
    model: PreTrainedModel, prompts: Sequence[Sequence[int]], texts: Sequence[Sequence[int]]
) -> None:
    if len(prompts) != len(texts):
        raise UserError(f"{len(prompts)} prompts, but {len(texts)} texts: give one to each")
    for index, text in enumerate(texts):
        if not text:
            raise UserError(f"text {index} is empty and has no perplexity: leave it out")
    pairs = zip(prompts, texts, strict=True)
    check_readable(model, [len(prompt) + len(text) if prompt else 0 for prompt, text in pairs])


def _families(prompts: Sequence[Sequence[int]], texts: Sequence[Sequence[int]]) -> list[Family]:
    """Prompts without their last token, continued by that token and all of a text but its last.

    So every position of a branch predicts a token of its text, and no other position does.
    """
    members: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for index, prompt in enumerate(prompts):
        members[tuple(prompt)].append(index)
    return [
        Family(list(prompt[:-1]), [[prompt[-1], *texts[index][:-1]] for index in indices], indices)
        for prompt, indices in members.items()
    ]


def _read_batch(
    model: PreTrainedModel,
    batch: list[Family],
    texts: Sequence[Sequence[int]],
    token_budget: int,
    steering: Steering | None,
) -> Iterator[tuple[int, list[float]]]:
    """The log-probabilities of each text of the batch, under the caller's index."""
    device, branches = model.device, branches_of(batch)
    reader = Reader(model, len(batch), cached_columns(batch), steering)
    reader.fill(pieces([family.prefix for family in batch], token_budget, device))
    if branches.owners != list(range(len(batch))):
        reader.select(torch.tensor(branches.owners, device=device))
    at_once = max(1, min(token_budget, MOST_LOGITS // model.config.vocab_size))
    waiting = iter(branches.indices)
    for piece, inputs in reader.passes(pieces(branches.tokens, at_once, device)):
        indices = [next(waiting) for _ in range(len(piece.ids))]
        real = _real(piece)
        with head_on(model, partial(_tokens, real=real)), steered(model, steering):
            logits = model(**inputs).logits[0]
        wanted = list(chain.from_iterable(texts[index] for index in indices))
        yield from zip(indices, _logprobs(logits, wanted, piece.lengths), strict=True)


def _real(piece: Piece) -> torch.Tensor:
    """[rows, columns]: which columns are no padding."""
    return torch.arange(piece.ids.shape[1], device=piece.ids.device) < piece.lengths[:, None]


def _tokens(states: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Of states [rows, columns, width] those of `real` columns, one after the other."""
    return states[real][None]


def _logprobs(
    logits: torch.Tensor, wanted: Sequence[int], lengths: torch.Tensor
) -> Iterator[list[float]]:
    """Of logits [tokens, vocabulary] the log-probabilities of the `wanted`, text by text."""
    tokens = torch.tensor(wanted, device=logits.device)[:, None]
    found = logits.float().log_softmax(-1).gather(-1, tokens)[:, 0]
    return (part.tolist() for part in found.split(lengths.tolist()))
