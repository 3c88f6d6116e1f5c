"""Ask a state a probe's prompts: raw answers and log-probabilities, no judging.

The rows go by `tables.prompts.PROMPTS` in and `tables.samples.SAMPLES` out.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from selfsame.models.base import base_folder
from selfsame.models.chain import load_state
from selfsame.models.chat import (
    encode_answered,
    encode_plain,
    encode_prompt,
    stop_ids,
    system_prompt_hash,
)
from selfsame.models.lineage import folders_of
from selfsame.models.memory import Portion
from selfsame.models.settings import Loading, SystemPrompt, parse_system
from selfsame.models.steering import Steering
from selfsame.models.thinking import cut_thought
from selfsame.sampling.budget import fitting_budget
from selfsame.sampling.choices import answer_tokens, choice_logprobs
from selfsame.sampling.generation import Generated, generate
from selfsame.sampling.scores import text_logprobs
from selfsame.step import Step

PromptRow = dict[str, Any]
SampleRow = dict[str, Any]
PROMPT_NOTE = "system_prompt_sha256"
WRITTEN = ("text", "finished", "n_tokens", "thought_tokens")
COPIED = ("probe", "item", "cluster", "order", "kind", "correct", "reference")


@dataclass(frozen=True)
class Speaker:
    """A loaded state with the system prompt it is asked under, and how it is steered, if it is.

    budget: padded tokens of a forward pass; None for the device's usual number.
    notes: what is to be noted of the asking, for the step's manifest.
    """

    model: Any
    tokenizer: Any
    system: SystemPrompt
    steering: Steering | None = None
    budget: Portion | None = None
    notes: dict[str, Any] = field(default_factory=dict)

    def under(self, setting: str | None) -> "Speaker":
        """The state under a probe's own system prompt, given as JSON; itself where it has none.

        The rendered prompt is noted by the setting, which no two prompts share: a part of a step
        that is restored with its notes can say nothing wrong of another part.
        """
        if setting is None:
            return self
        system = parse_system(json.loads(setting))
        self.notes[f"{PROMPT_NOTE}:{setting}"] = system_prompt_hash(self.tokenizer, system)
        return replace(self, system=system)

    def encode(self, messages: list[dict[str, str]]) -> list[int]:
        """Token ids of a prompt up to where the answer begins."""
        return encode_prompt(self.tokenizer, messages, self.system)

    def answer(
        self, prompts: Sequence[list[int]], *, max_new_tokens: int, temperature: float, seed: int
    ) -> list[Generated]:
        """One answer a prompt, as token ids."""
        return generate(
            self.model,
            prompts,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            stop_ids=set(stop_ids(self.tokenizer, self.model)),
            seed=seed,
            token_budget=self.budget,
            steering=self.steering,
        )

    def said(self, answer: Generated) -> dict[str, Any]:
        """An answer's `text`, whether it `finished` (a stop token ended it) and its `n_tokens`.

        A thought is cut off the text: `thought_tokens` of the `n_tokens`.
        """
        ids, thought = cut_thought(self.tokenizer, answer.ids)
        return {
            "text": self.tokenizer.decode(ids, skip_special_tokens=True).strip(),
            "finished": answer.finished,
            "n_tokens": len(answer.ids),
            "thought_tokens": thought,
        }

    def write(
        self, conversations: Sequence[list[dict[str, str]]], **how: Any
    ) -> list[dict[str, Any]]:
        """What is said in answer to each conversation; `how` as for `answer`."""
        prompts = [self.encode(messages) for messages in conversations]
        return [self.said(answer) for answer in self.answer(prompts, **how)]

    def choose(self, rows: Sequence[PromptRow]) -> list[list[float]]:
        """Natural log-probabilities of each row's answers as the next token."""
        return choice_logprobs(
            self.model,
            [self.encode(row["messages"]) for row in rows],
            [answer_tokens(self._bare, row["answers"]) for row in rows],
            groups=[row["group"] for row in rows],
            token_budget=self.budget,
            steering=self.steering,
        )

    def score(self, rows: Sequence[PromptRow]) -> list[list[float]]:
        """Natural log-probabilities of the tokens of each row's text, which is its last message.

        A text without a question before it is read as it is, without the chat template.
        """
        pairs = [self._prompt_and_text(row["messages"]) for row in rows]
        return text_logprobs(
            self.model,
            [prompt for prompt, _ in pairs],
            [text for _, text in pairs],
            token_budget=self.budget,
            steering=self.steering,
        )

    def _prompt_and_text(self, messages: list[dict[str, str]]) -> tuple[list[int], list[int]]:
        *question, text = messages
        if question:
            return encode_answered(self.tokenizer, question, text["content"], self.system)
        return encode_plain(self.tokenizer, text["content"])

    def _bare(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])


def load_speaker(step: Step, steering: Steering | None = None) -> Speaker:
    """The state of a step with roles `base` and, where it has any, `adapters`.

    Notes the device, the rendered prompt and halved batches in the step's manifest.
    """
    spec = step.spec
    model, tokenizer = load_state(
        base_folder(step.path("base")),
        folders_of(step.path("base"), step.inputs.get("adapters", [])),
        Loading(**spec, gpus=step.gpus),
        step.threads,
    )
    system = parse_system(spec["system_prompt"])
    step.notes["device"] = str(model.device)
    step.notes[PROMPT_NOTE] = system_prompt_hash(tokenizer, system)
    budget = Portion("tokens", fitting_budget(model, step.gpus), step.notes)
    return Speaker(model, tokenizer, system, steering, budget, step.notes)


def sample_probe(speaker: Speaker, prompts: list[PromptRow], seed: int) -> list[SampleRow]:
    """All samples of one probe's prompts, under its own system prompt where it has one.

    Each probe draws its own stream from `seed`.
    """
    (setting,) = {row["system_prompt"] for row in prompts}
    speaker = speaker.under(setting)
    choices = [row for row in prompts if row["kind"] == "choice"]
    samples = [
        _sample(row, logprobs=logprobs)
        for row, logprobs in zip(choices, speaker.choose(choices), strict=True)
    ]
    scored = [row for row in prompts if row["kind"] == "score"]
    samples += [
        _sample(row, logprobs=logprobs, n_tokens=len(logprobs))
        for row, logprobs in zip(scored, speaker.score(scored), strict=True)
    ]
    generated = [row for row in prompts if row["kind"] == "generate"]
    for (tokens, temperature), rows in groupby(generated, key=_settings):
        samples += _generate(speaker, list(rows), tokens, temperature, seed)
    return samples


def _settings(row: PromptRow) -> tuple[int, float]:
    return row["max_new_tokens"], row["temperature"]


def _generate(
    speaker: Speaker, rows: list[PromptRow], tokens: int, temperature: float, seed: int
) -> list[SampleRow]:
    repeated = [(row, number) for row in rows for number in range(row["samples"])]
    answers = speaker.write(
        [row["messages"] for row, _ in repeated],
        max_new_tokens=tokens,
        temperature=temperature,
        seed=stream(seed, rows[0]["probe"]),
    )
    return [
        _sample(row, sample=number, **answer)
        for (row, number), answer in zip(repeated, answers, strict=True)
    ]


def stream(seed: int, name: str) -> int:
    """A seed for one purpose within a state: a stable hash, so that probes share no draws."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:6], "big")


def _sample(row: PromptRow, **facts: Any) -> SampleRow:
    empty = {"sample": 0, **dict.fromkeys(WRITTEN), "logprobs": None}
    return {**{key: row[key] for key in COPIED}, "answers": row["answers"], **empty, **facts}
