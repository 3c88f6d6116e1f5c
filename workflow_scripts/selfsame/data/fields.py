"""Fields that rows of a user's files have, and how a row that does not have them is described."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

SHOWN = 3


def _said(text: str) -> str:
    """Text that says something, in whole characters: JSON can hold one half of a pair."""
    if not text.strip():
        raise ValueError("is empty")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("holds half a character (a lone surrogate); take it out") from None
    return text


def as_id(value: Any) -> Any:
    """Ids are text; whole numbers become it."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Text = Annotated[str, Field(strict=True), AfterValidator(_said)]
Id = Annotated[Text, BeforeValidator(as_id)]


def complaints(error: ValidationError) -> Iterator[str]:
    """The first mistakes of a row, each with the key that it is at."""
    for detail in error.errors(include_url=False)[:SHOWN]:
        where = ".".join(str(part) for part in detail["loc"])
        yield f"{where}: {_plain(detail)}" if where else _plain(detail)


def _plain(detail: Any) -> str:
    if detail["type"] == "missing":
        return "is missing"
    if detail["input"] is None:
        return "is null"
    message = detail["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    message = message.replace("must be a valid tuple", "must be a list")
    return str(message[:1].lower() + message[1:])
