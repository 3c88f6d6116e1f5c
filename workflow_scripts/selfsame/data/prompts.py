"""Prompt rows of a probe, in the shape of `tables.prompts.PROMPTS`."""

import json
from collections.abc import Sequence
from typing import Any

from selfsame.data.options import GeneratingOptions
from selfsame.errors import UserError

PromptRow = dict[str, Any]


def user(content: str) -> list[dict[str, str]]:
    """A conversation of one user message."""
    return [{"role": "user", "content": content}]


def generating(options: GeneratingOptions, questions: list[dict[str, Any]]) -> list[PromptRow]:
    """Prompts that are answered in free text, each `options.samples` times."""
    return [
        {
            "order": 0,
            "kind": "generate",
            "group": question["item"],
            "answers": [],
            "correct": -1,
            "samples": options.samples,
            "temperature": options.temperature,
            "max_new_tokens": options.max_new_tokens,
            **{key: question[key] for key in ("item", "cluster", "messages", "reference")},
        }
        for question in questions
    ]


def choosing(
    *,
    item: str,
    order: int,
    prompt: str,
    answers: Sequence[str],
    correct: int,
    cluster: str,
    group: str,
    **reference: Any,
) -> PromptRow:
    """A prompt that is read by the log-probabilities of its answers; `correct` is an index."""
    return {
        "item": item,
        "cluster": cluster,
        "order": order,
        "kind": "choice",
        "group": group,
        "messages": user(prompt),
        "answers": list(answers),
        "correct": correct,
        "reference": json.dumps(reference, sort_keys=True),
        "samples": 1,
        "temperature": 0.0,
        "max_new_tokens": 1,
    }


def scoring(
    *, item: str, cluster: str, messages: list[dict[str, str]], **reference: Any
) -> PromptRow:
    """A text, the last message, that is read by the log-probabilities of its tokens."""
    reference["bytes"] = len(messages[-1]["content"].encode())
    return {
        "item": item,
        "cluster": cluster,
        "order": 0,
        "kind": "score",
        "group": item,
        "messages": messages,
        "answers": [],
        "correct": -1,
        "reference": json.dumps(reference, sort_keys=True),
        "samples": 1,
        "temperature": 0.0,
        "max_new_tokens": 1,
    }


def asked(questions: list[dict[str, Any]] | None, probe: str) -> list[dict[str, Any]]:
    """The question set of a probe. Raises UserError when the data holds none."""
    if not questions:
        raise UserError(f"probes.{probe}: the data has no questions for it; name a `file`")
    return questions
