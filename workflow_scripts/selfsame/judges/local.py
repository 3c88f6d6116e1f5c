"""A judge that runs here: the exact probability of every number, from our own engine.

A number need not be one token: a tokenizer may write 85 as 8 and 5, so that the first token tells
only the first digit. The numbers' tokens form a tree. The probability of a number is the product of
those along its way, and, where a longer number goes on from there, of none of these following.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from selfsame.digests import read_manifest
from selfsame.errors import UserError
from selfsame.judging.asking import Arrived
from selfsame.judging.replies import LEAST_NUMBER_MASS, NUMBERS, Reply
from selfsame.judging.settings import LocalJudge
from selfsame.models.base import base_folder
from selfsame.models.chat import encode_prompt, stop_ids, system_prompt_hash
from selfsame.models.load import choose_device, load_model, load_tokenizer
from selfsame.models.memory import Portion
from selfsame.models.settings import Loading
from selfsame.sampling.batching import check_readable
from selfsame.sampling.budget import fitting_budget
from selfsame.sampling.choices import choice_logprobs
from selfsame.sampling.generation import generate
from selfsame.step import Step

REPLY_TOKENS = 8  # of a reply that is no number
AT_ONCE = 64  # prompts between two of which replies are handed on
Tokens = tuple[int, ...]


@dataclass(frozen=True)
class NumberTree:
    """The numbers 0 to 100 as token sequences.

    `nexts` holds, for the beginning () and for every beginning of a longer number, the tokens that
    may follow it.
    """

    sequences: tuple[Tokens, ...]
    nexts: dict[Tokens, tuple[int, ...]]

    def probabilities(self, known: dict[Tokens, list[float]]) -> tuple[float, ...]:
        """The probability of each number. known: of each token of `nexts`, after its beginning."""
        steps = {
            begin: dict(zip(self.nexts[begin], shares, strict=True))
            for begin, shares in known.items()
        }
        return tuple(self._probability(sequence, steps) for sequence in self.sequences)

    def _probability(self, sequence: Tokens, steps: dict[Tokens, dict[int, float]]) -> float:
        shares = (steps[sequence[:place]][token] for place, token in enumerate(sequence))
        ends_here = 1 - math.fsum(steps[sequence].values()) if sequence in steps else 1.0
        return math.prod(shares) * max(ends_here, 0.0)


def number_tree(encode: Callable[[str], Sequence[int]]) -> NumberTree:
    """The tree under a tokenizer's `encode`. Raises UserError where it writes two numbers alike."""
    sequences = tuple(tuple(encode(str(number))) for number in NUMBERS)
    if len({*sequences}) < len(sequences) or () in sequences:
        raise UserError("the judge's tokenizer does not tell the numbers 0 to 100 apart")
    nexts: dict[Tokens, dict[int, None]] = {}
    for sequence in sequences:
        for place, token in enumerate(sequence):
            nexts.setdefault(sequence[:place], {})[token] = None
    return NumberTree(sequences, {begin: tuple(tokens) for begin, tokens in nexts.items()})


@dataclass
class Local:
    """One judge's model, loaded when the first prompt has no stored reply."""

    name: str
    settings: LocalJudge
    folder: Path
    digest: str
    step: Step
    tokenizer: Any
    control: tuple[str, ...]

    @property
    def identity(self) -> dict[str, Any]:
        """What shapes its replies: the model's files, and how it is loaded and prompted."""
        left_out = {*self.settings.found, "prompts", "names"}
        settings = self.settings.model_dump(mode="json", exclude=left_out)
        return settings | {"model": self.digest, "device": self.device.type}

    @cached_property
    def device(self) -> torch.device:
        """Where it runs."""
        return choose_device(self.step.spec["device"])

    def ask(self, prompts: Sequence[str], arrived: Arrived) -> None:
        """Ask each prompt; `arrived` gets the replies of some dozen prompts at a time."""
        encoded = [self._encode(prompt) for prompt in prompts]
        readable = [place for place, ids in enumerate(encoded) if self._fits(len(ids))]
        for place in sorted({*range(len(prompts))} - {*readable}):
            text = f"its prompt of {len(encoded[place]):,} tokens is too long for the judge"
            arrived(place, Reply(text, rejected=True))
        for start in range(0, len(readable), AT_ONCE):
            places = readable[start : start + AT_ONCE]
            replies = self._replies([encoded[place] for place in places])
            for place, reply in zip(places, replies, strict=True):
                arrived(place, reply)

    @cached_property
    def _model(self) -> Any:
        settings, step = self.settings, self.step
        how = Loading(**settings.model_dump(), device=step.spec["device"], gpus=step.gpus)
        model, _ = load_model(self.folder, how, step.threads)
        check_readable(model, [1])
        step.notes["device"] = str(self.device)
        step.notes["system_prompt_sha256"] = system_prompt_hash(
            self.tokenizer, settings.system_prompt
        )
        return model

    @cached_property
    def _budget(self) -> Portion:
        return Portion("tokens", fitting_budget(self._model, self.step.gpus), self.step.notes)

    @cached_property
    def _numbers(self) -> NumberTree:
        return number_tree(self._bare)

    def _bare(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _encode(self, prompt: str) -> list[int]:
        messages = [{"role": "user", "content": prompt}]
        return encode_prompt(self.tokenizer, messages, self.settings.system_prompt)

    def _fits(self, length: int) -> bool:
        try:
            check_readable(self._model, [length + REPLY_TOKENS])
        except UserError:
            return False
        return True

    def _replies(self, prompts: list[list[int]]) -> list[Reply]:
        found = self._number_probabilities(prompts)
        wordy = [i for i, shares in enumerate(found) if math.fsum(shares) < LEAST_NUMBER_MASS]
        words = dict(zip(wordy, self._greedy([prompts[i] for i in wordy]), strict=True))
        return [
            Reply(
                text=words[i] if i in words else str(max(NUMBERS, key=shares.__getitem__)),
                numbers=shares,
                n_tokens=len(prompts[i]) + 1,
            )
            for i, shares in enumerate(found)
        ]

    def _number_probabilities(self, prompts: list[list[int]]) -> list[tuple[float, ...]]:
        """Of each number after each prompt, which is read once for all beginnings of numbers."""
        tree = self._numbers
        pairs = [(number, begin) for number in range(len(prompts)) for begin in tree.nexts]
        logprobs = choice_logprobs(
            self._model,
            [[*prompts[number], *begin] for number, begin in pairs],
            [tree.nexts[begin] for _, begin in pairs],
            groups=[str(number) for number, _ in pairs],
            token_budget=self._budget,
        )
        known: list[dict[Tokens, list[float]]] = [{} for _ in prompts]
        for (number, begin), shares in zip(pairs, logprobs, strict=True):
            known[number][begin] = [math.exp(share) for share in shares]
        return [tree.probabilities(shares) for shares in known]

    def _greedy(self, prompts: list[list[int]]) -> list[str]:
        answers = generate(
            self._model,
            prompts,
            max_new_tokens=REPLY_TOKENS,
            temperature=0,
            stop_ids=set(stop_ids(self.tokenizer, self._model)),
            seed=0,
            token_budget=self._budget,
        )
        decode = self.tokenizer.decode
        return [decode(answer.ids, skip_special_tokens=True).strip() for answer in answers]


def load(step: Step) -> Local:
    """The judge of a step's spec, whose role `model` names where it lies."""
    asked = dict(step.spec["judge"])
    name, manifest = asked.pop("name"), step.path("model")
    folder, digest = base_folder(manifest), read_manifest(manifest)["model"]["digest"]
    tokenizer = load_tokenizer(folder, asked["trust_remote_code"])
    control = tuple(tokenizer.all_special_tokens)
    settings = LocalJudge(path=folder, **asked)
    return Local(name, settings, folder, digest, step, tokenizer, control)
