"""Conversations as text and tokens through a model's own chat template.

What a template leaves open is held fixed here, so that the same conversation gives the same
tokens on any day: the date some templates print, and no thought (see `models.thinking`).
"""

import functools
import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from jinja2 import TemplateError

from selfsame.errors import UserError
from selfsame.models.settings import SystemPrompt, SystemText
from selfsame.models.thinking import closed

Message = Mapping[str, str]

FIXED_DATE = datetime(2024, 7, 26)
MARK = "SELFSAMEMARK"
TEMPLATE_VARIABLES = {
    "enable_thinking": False,  # Qwen3
    "thinking": False,  # Granite, DeepSeek-V3.1
    "thinking_budget": 0,  # Seed-OSS
    "date_string": FIXED_DATE.strftime("%d %b %Y"),
}
_TODAY = re.compile(r"""strftime_now\(\s*(['"])(?P<pattern>.*?)\1\s*\)""")


def render(
    tokenizer: Any,
    messages: Sequence[Message],
    system: SystemPrompt,
    add_generation_prompt: bool,
) -> str:
    """Return the conversation as the text the model reads.

    Raises:
        UserError: the template refuses the conversation or the system prompt.
    """
    conversation = with_system(tokenizer, messages, system)
    return render_as_is(tokenizer, conversation, add_generation_prompt)


def encode_prompt(tokenizer: Any, messages: Sequence[Message], system: SystemPrompt) -> list[int]:
    """Return the token ids of a prompt that ends where the assistant's answer begins.

    The rendered text is tokenised once and adds no special token of its own: the template
    already writes the beginning-of-sequence token where the model has one.
    """
    text = render(tokenizer, messages, system, add_generation_prompt=True)
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def encode_answered(
    tokenizer: Any, question: Sequence[Message], answer: str, system: SystemPrompt
) -> tuple[list[int], list[int]]:
    """Return the token ids of a prompt, and of an answer to it without what ends the turn.

    Both are tokenised together, once, as what a model says would follow: a token that reaches
    across their border belongs to the answer.
    """
    prompt = render(tokenizer, question, system, add_generation_prompt=True)
    encoded = tokenizer(prompt + answer, add_special_tokens=False, return_offsets_mapping=True)
    ids, ends = encoded["input_ids"], [end for _, end in encoded["offset_mapping"]]
    start = next((i for i, end in enumerate(ends) if end > len(prompt)), len(ids))
    return list(ids[:start]), list(ids[start:])


def encode_plain(tokenizer: Any, text: str) -> tuple[list[int], list[int]]:
    """Return the token that a text without a prompt follows, in a list, and the text's token ids.

    Raises UserError where the tokenizer has no token for the beginning or the end of a text.
    """
    known = (tokenizer.bos_token_id, tokenizer.eos_token_id)
    first = next((token for token in known if token is not None), None)
    if first is None:
        raise UserError(
            "the tokenizer has neither a bos_token nor an eos_token for a text to follow: score"
            " answers to questions instead of plain texts, or add one to tokenizer_config.json"
        )
    return [first], list(tokenizer(text, add_special_tokens=False)["input_ids"])


def system_prompt_hash(tokenizer: Any, system: SystemPrompt) -> str:
    """Return the sha256 (hex) of a fixed prompt as rendered: which system text really applied."""
    message = {"role": "user", "content": "Hello."}
    text = render(tokenizer, [message], system, add_generation_prompt=True)
    return hashlib.sha256(text.encode()).hexdigest()


def with_system(
    tokenizer: Any, messages: Sequence[Message], system: SystemPrompt
) -> list[dict[str, str]]:
    """Return the messages with the system prompt put in front; a row's own one is kept."""
    plain = [{"role": message["role"], "content": message["content"]} for message in messages]
    if system == "template" or (plain and plain[0]["role"] == "system"):
        return plain
    if isinstance(system, SystemText):
        _check_takes_system(tokenizer, tokenizer.get_chat_template())
        return [{"role": "system", "content": system.text}, *plain]
    if _adds_own_system(tokenizer, tokenizer.get_chat_template()):
        return [{"role": "system", "content": ""}, *plain]
    return plain


def render_as_is(
    tokenizer: Any, messages: Sequence[Message], add_generation_prompt: bool = False
) -> str:
    """Render without touching the messages; a prompt for an answer has no open thought.

    Raises UserError where the template refuses the messages.
    """
    try:
        text = _apply(tokenizer, messages, add_generation_prompt)
    except TemplateError as error:
        raise UserError(f"the chat template refuses this conversation: {error}") from error
    return closed(text) if add_generation_prompt else text


def takes_system(tokenizer: Any) -> bool:
    """Whether a system message shows in what the template writes; some refuse or drop it."""
    marked = _with_system_text(tokenizer, MARK)
    return marked is not None and MARK in marked


def _apply(tokenizer: Any, messages: Sequence[Message], add_generation_prompt: bool = False) -> str:
    text: str = tokenizer.apply_chat_template(
        list(messages),
        chat_template=_with_fixed_date(tokenizer.get_chat_template()),
        tokenize=False,
        add_generation_prompt=add_generation_prompt,
        **TEMPLATE_VARIABLES,
    )
    return text


@functools.lru_cache(maxsize=8)
def _with_fixed_date(template: str) -> str:
    """Write the fixed date where a template asks for today's: prompts must not change by night."""
    return _TODAY.sub(lambda call: repr(FIXED_DATE.strftime(call["pattern"])), template)


def _with_system_text(tokenizer: Any, text: str) -> str | None:
    """Render a system and a user message; None where the template refuses a system message."""
    messages = [{"role": "system", "content": text}, {"role": "user", "content": "Hello."}]
    try:
        return _apply(tokenizer, messages)
    except TemplateError:
        return None


@functools.lru_cache(maxsize=8)
def _check_takes_system(tokenizer: Any, template: str) -> None:
    """Raise UserError unless a system text shows in the prompt (`template` is the cache's key)."""
    if not takes_system(tokenizer):
        raise UserError(
            "system_prompt: this model's chat template takes no system message; "
            "set it to none or template"
        )


@functools.lru_cache(maxsize=8)
def _adds_own_system(tokenizer: Any, template: str) -> bool:
    """True where the template writes a default system text when it is given no system message.

    The scaffolding of a system message is what is left of one when its text is taken out; a
    prompt without a system message that is longer than with the bare scaffolding says more.
    """
    marked = _with_system_text(tokenizer, MARK)
    if marked is None or MARK not in marked:
        return False
    scaffolding = len(marked) - len(MARK)
    if len(_apply(tokenizer, [{"role": "user", "content": "Hello."}])) <= scaffolding:
        return False
    if len(_with_system_text(tokenizer, "") or "") > scaffolding:
        raise UserError(
            "system_prompt: this model's chat template always adds its own system text; "
            "set it to template or {text: ...} instead of none"
        )
    return True


@functools.lru_cache(maxsize=8)
def _end_of_turn(tokenizer: Any, template: str) -> int | None:
    """Return the first control token the template writes after an assistant's answer."""
    messages = [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": MARK}]
    tail = render_as_is(tokenizer, messages).rpartition(MARK)[2]
    control = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
    ids = tokenizer(tail, add_special_tokens=False)["input_ids"]
    return next((token for token in ids if token in control), None)


def end_of_turn_ids(tokenizer: Any) -> frozenset[int]:
    """Return the tokens that end an answer: the template's own and the tokenizer's eos."""
    found = (_end_of_turn(tokenizer, tokenizer.get_chat_template()), tokenizer.eos_token_id)
    return frozenset(token for token in found if token is not None)


def stop_ids(tokenizer: Any, model: Any) -> list[int]:
    """Return the sorted ids at which sampling stops: the model's eos and the end of a turn."""
    eos = model.generation_config.eos_token_id
    declared = eos if isinstance(eos, list) else [eos]
    return sorted(end_of_turn_ids(tokenizer) | {token for token in declared if token is not None})
