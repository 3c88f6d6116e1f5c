"""Log-probabilities of one-token answers, all candidates of a prompt from one forward pass."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

import torch
from transformers import PreTrainedModel

from selfsame.errors import UserError
from selfsame.models.memory import Portion, in_portions
from selfsame.models.steering import Steering
from selfsame.sampling.batching import (
    Family,
    Reader,
    branches_of,
    cached_columns,
    check_readable,
    family_batches,
    family_extent,
    inference,
    pieces,
    shared_prefix_length,
)
from selfsame.sampling.budget import budget_of

# A shared prefix costs an explicit mask and one more pass. Where it saves less than this share of a
# group's tokens, reading each prompt alone is as fast (measured on pairs of 80 tokens on a CPU).
MIN_SAVED_SHARE = 0.15


def choice_logprobs(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    answers: Sequence[Sequence[int]],
    *,
    groups: Sequence[str] | None = None,
    token_budget: Portion | int | None = None,
    steering: Steering | None = None,
) -> list[list[float]]:
    """Natural log-probability of each candidate answer at the position after its prompt.

    prompts: token ids of n prompts. answers: for each prompt the token id of each candidate
    (`answer_tokens` makes them). groups: prompts with the same name share a long prefix, which is
    read once. token_budget: padded tokens of a forward pass; less where memory runs out. steering:
    at each prompt's last token.

    Returns n lists in the order of `answers`: full softmax over the vocabulary, in float32.
    Raises UserError for an empty prompt, one longer than the model, and for candidates that are
    missing, repeated or not in the vocabulary.
    """
    check_readable(model, [len(prompt) for prompt in prompts])
    _check_answers(answers, len(prompts), model.config.vocab_size)
    result: list[list[float]] = [[] for _ in prompts]

    def read(batch: list[Family], tokens: int) -> None:
        for index, row in _next_logprobs(model, batch, tokens, steering).items():
            result[index] = row[torch.tensor(answers[index], device=row.device)].tolist()

    families, budget = _families(prompts, groups), budget_of(token_budget, model.device)
    with inference(model):
        in_portions(families, budget, family_batches, read, family_extent)
    return result


def answer_tokens(encode: Callable[[str], Sequence[int]], answers: Sequence[str]) -> list[int]:
    """The token of each answer under `encode` (no special tokens added), checked to be exactly one.

    Raises UserError for an answer of no or several tokens, and for two answers with the same token.
    """
    tokens = []
    for answer in answers:
        ids = list(encode(answer))
        if len(ids) != 1:
            raise UserError(
                f"answer {answer!r} is {len(ids)} tokens: choose answers of exactly one"
            )
        tokens.append(ids[0])
    _check_distinct(tokens, f"answers {list(answers)!r}")
    return tokens


def _check_answers(answers: Sequence[Sequence[int]], prompts: int, vocabulary: int) -> None:
    if len(answers) != prompts:
        raise UserError(
            f"{prompts} prompts, but answers for {len(answers)}: give one list per prompt"
        )
    for index, tokens in enumerate(answers):
        if not tokens:
            raise UserError(f"prompt {index} has no answers: give at least one")
        _check_distinct(tokens, f"answers of prompt {index}")
        outside = [token for token in tokens if not 0 <= token < vocabulary]
        if outside:
            raise UserError(f"answers of prompt {index}: the model has no token {outside[0]}")


def _check_distinct(tokens: Sequence[int], name: str) -> None:
    repeated = [token for token, count in Counter(tokens).items() if count > 1]
    if repeated:
        raise UserError(f"{name}: token {repeated[0]} appears twice, make the answers differ")


def _families(prompts: Sequence[Sequence[int]], groups: Sequence[str] | None) -> list[Family]:
    members: dict[str | int, list[int]] = defaultdict(list)
    for index in range(len(prompts)):
        members[index if groups is None else groups[index]].append(index)
    return [family for indices in members.values() for family in _group(prompts, indices)]


def _group(prompts: Sequence[Sequence[int]], indices: list[int]) -> list[Family]:
    """One family around the common prefix, or each prompt alone where sharing it would not pay."""
    members = [list(prompts[index]) for index in indices]
    shared = shared_prefix_length(members)
    saved = shared * (len(members) - 1)
    if saved > MIN_SAVED_SHARE * sum(len(prompt) for prompt in members):
        return [Family(members[0][:shared], [prompt[shared:] for prompt in members], indices)]
    return [Family([], [prompt], [index]) for prompt, index in zip(members, indices, strict=True)]


def _next_logprobs(
    model: PreTrainedModel, batch: list[Family], token_budget: int, steering: Steering | None
) -> dict[int, torch.Tensor]:
    """Float32 log-probabilities [vocabulary] after each branch, under the caller's indices."""
    device, branches = model.device, branches_of(batch)
    reader = Reader(model, len(batch), cached_columns(batch), steering)
    reader.fill(pieces([family.prefix for family in batch], token_budget, device))
    if branches.owners != list(range(len(batch))):
        reader.select(torch.tensor(branches.owners, device=device))
    logits = reader.logits(pieces(branches.tokens, token_budget, device))
    return dict(zip(branches.indices, logits.float().log_softmax(-1), strict=True))
