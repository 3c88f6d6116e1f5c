"""Fields that rows of a user's files have, and how a row that does not have them is described."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

SHOWN = 3


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty")
    return text


def as_id(value: Any) -> Any:
    """Ids are text; whole numbers become it."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Text = Annotated[str, Field(strict=True), AfterValidator(_not_blank)]
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
    return str(message[:1].lower() + message[1:])
