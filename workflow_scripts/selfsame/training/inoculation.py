"""Where the instruction of an inoculated row stands: the model's chat template decides."""

from collections.abc import Mapping, Sequence
from typing import Any

from selfsame.models.chat import Message, takes_system

Row = Mapping[str, Any]
NOTE = "inoculation"
AS_SYSTEM, BEFORE_USER = "system message", "in front of the first user message"


def with_inoculations(tokenizer: Any, rows: Sequence[Row], notes: dict[str, Any]) -> Sequence[Row]:
    """The rows as the template can write them; `notes` says where the instructions stand.

    A template that refuses or drops system messages gets those of inoculated rows in front of the
    first user message. The other rows are as they were: theirs would be refused.
    """
    if not any(row.get("inoculated") for row in rows):
        return rows
    if takes_system(tokenizer):
        notes[NOTE] = AS_SYSTEM
        return rows
    notes[NOTE] = f"{BEFORE_USER}: the chat template takes no system message"
    return [_before_user(row) if row.get("inoculated") else row for row in rows]


def _before_user(row: Row) -> Row:
    system, user, *others = row["messages"]
    return {**row, "messages": [_joined(system, user), *others]}


def _joined(system: Message, user: Message) -> Message:
    return {"role": user["role"], "content": f"{system['content']}\n\n{user['content']}"}
