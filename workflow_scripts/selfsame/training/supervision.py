"""Which tokens of a conversation carry the loss: the assistant's, and nothing else.

A row is rendered through the chat template once and tokenised once. Where an answer lies in the
text follows from rendering the conversation up to it, so nothing is searched for in the text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from selfsame.errors import UserError
from selfsame.models.chat import Message, end_of_turn_ids, render_as_is, with_system
from selfsame.models.settings import SystemPrompt
from selfsame.models.thinking import without_thought

Span = tuple[int, int]


@dataclass(frozen=True)
class Supervised:
    """Token ids of a row, and for each whether it is predicted in the loss (same length)."""

    ids: tuple[int, ...]
    mask: tuple[bool, ...]

    @property
    def n_supervised(self) -> int:
        return sum(self.mask)


def supervise(
    tokenizer: Any,
    messages: Sequence[Message],
    system: SystemPrompt,
    max_length: int,
    row: str = "row",
) -> Supervised:
    """Return the tokens of a conversation with a mask on every assistant turn.

    A turn's mask covers its content and the token that ends the turn, not the role scaffolding
    and not the line break that may follow. The very first token is never predicted.

    Args:
        max_length: tokens kept; what is longer is cut on the right.
        row: name of the row for error messages.

    Raises:
        UserError: the template does not render prefixes as prefixes, or nothing is supervised.
    """
    text, spans = assistant_spans(tokenizer, messages, system, row)
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
    ends = end_of_turn_ids(tokenizer)
    chosen = {index for span in spans for index in _turn_tokens(ids, offsets, span, ends)}
    kept = range(min(len(ids), max_length))
    result = Supervised(tuple(ids[:max_length]), tuple(i in chosen and i > 0 for i in kept))
    if result.n_supervised == 0:
        mend = f"shorten it, drop it or raise max_length ({max_length})"
        raise UserError(f"{row}: no assistant token is left to train on; {mend}")
    return result


def supervise_row(
    tokenizer: Any, row: Mapping[str, Any], system: SystemPrompt, max_length: int
) -> Supervised:
    """`supervise` for a chat row {"row_id": str, "messages": [message, ...]}."""
    return supervise(tokenizer, row["messages"], system, max_length, f"row {row['row_id']}")


def assistant_spans(
    tokenizer: Any, messages: Sequence[Message], system: SystemPrompt, row: str = "row"
) -> tuple[str, list[Span]]:
    """Return the rendered text and the half-open character span of each assistant turn in it."""
    conversation = with_system(tokenizer, messages, system)
    if not conversation or conversation[0]["role"] == "assistant":
        raise UserError(f"{row}: a conversation must begin with a user or system message")
    turns = [i for i, message in enumerate(conversation) if message["role"] == "assistant"]
    text = render_as_is(tokenizer, conversation)
    if turns and turns[-1] + 1 == len(conversation):
        text = _as_asked(tokenizer, conversation[:-1], text)
    return text, [_turn_span(tokenizer, conversation, turn, text, row) for turn in turns]


def _as_asked(tokenizer: Any, asked: Sequence[Message], text: str) -> str:
    """The text, its last answer after the empty thought that a prompt for it would end with."""
    prompt = render_as_is(tokenizer, asked, add_generation_prompt=True)
    header = without_thought(prompt)
    lacks = text.startswith(header) and not text.startswith(prompt)
    return prompt + text[len(header) :] if lacks else text


def _turn_span(
    tokenizer: Any, conversation: Sequence[Message], turn: int, text: str, row: str
) -> Span:
    """Span of one assistant turn, from the renders up to it and up to its end.

    Templates of thinking models write the empty thought before the last answer alone.
    """
    before = render_as_is(tokenizer, conversation[:turn], add_generation_prompt=True)
    is_last = turn + 1 == len(conversation)
    through = text if is_last else render_as_is(tokenizer, conversation[: turn + 1])
    if not text.startswith(before):
        header = without_thought(before)
        through = header + through[len(before) :] if through.startswith(before) else through
        before = header
    if not (text.startswith(before) and text.startswith(through)):
        raise UserError(
            f"{row}: the chat template writes earlier turns differently once later ones follow, "
            "so the assistant's tokens cannot be told; use rows with one assistant turn"
        )
    return len(before), len(through)


def _turn_tokens(
    ids: Sequence[int], offsets: Sequence[Span], span: Span, ends: frozenset[int]
) -> list[int]:
    """Indices of the tokens that overlap a span, up to and with the token that ends the turn."""
    inside = [i for i, (start, end) in enumerate(offsets) if end > span[0] and start < span[1]]
    last = next((i for i in inside if ids[i] in ends), len(ids))
    return [i for i in inside if i <= last]
