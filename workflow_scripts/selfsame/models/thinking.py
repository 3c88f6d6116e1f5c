"""Thinking models: the thinking part of an answer is switched off, or cut off and counted.

A template that has a switch is told not to think (`chat.TEMPLATE_VARIABLES`). Where it opens a
thought all the same, the thought is closed again at once, in training as in sampling. What a model
still thinks is cut off its answer; a thought that never ends leaves an empty answer, which counts
as invalid, never as a wrong one.
"""

from collections.abc import Sequence
from typing import Any

# How templates of thinking models mark a thought: Qwen3, QwQ and DeepSeek-R1; Seed-OSS.
TAGS = (("<think>", "</think>"), ("<seed:think>", "</seed:think>"))


def closed(prompt: str) -> str:
    """The prompt, an open thought at its end closed without a word."""
    bare = prompt.rstrip()
    for start, end in TAGS:
        if bare.endswith(start):
            return f"{bare}\n\n{end}\n\n"
    return prompt


def without_thought(prompt: str) -> str:
    """The prompt up to a closed thought that it ends with; the whole of it where there is none."""
    for start, end in TAGS:
        if prompt.rstrip().endswith(end) and start in prompt:
            return prompt[: prompt.rindex(start)]
    return prompt


def cut_thought(tokenizer: Any, ids: Sequence[int]) -> tuple[list[int], int]:
    """The ids of an answer without its thought, and how many ids the thought had."""
    text = tokenizer.decode(ids)
    for start, end in TAGS:
        if end in text:
            length = _ids_up_to(tokenizer, ids, end, text.count(end))
            return list(ids[length:]), length
        if text.lstrip().startswith(start):
            return [], len(ids)
    return list(ids), 0


def _ids_up_to(tokenizer: Any, ids: Sequence[int], tag: str, times: int) -> int:
    """How many ids it takes until the tag has been said so often."""
    lengths = range(1, len(ids) + 1)
    return next(n for n in lengths if tokenizer.decode(ids[:n]).count(tag) == times)
