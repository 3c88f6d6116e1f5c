"""What a user reads about a mistake: one line with file, line, key, value, what is allowed."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from selfsame.config.jsonschema import allowed_keys, constants
from selfsame.config.names import RULES
from selfsame.errors import UserError, printable
from selfsame.judging.settings import NOT_SHOWN

KeyPath = tuple[str | int, ...]
LONGEST_VALUE = 60


@dataclass(frozen=True)
class Mistake:
    """A mistake at a key of the config; `file` and `line` only where the key alone misleads."""

    path: KeyPath
    text: str
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        return f"{dotted(self.path)}: {self.text}" if self.path else self.text


class ConfigErrors(UserError):  # noqa: N818 (it holds many)
    """All mistakes of a config at once; `lines` holds one line each."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = tuple(map(printable, lines))
        super().__init__("\n".join(self.lines))


def dotted(path: KeyPath) -> str:
    """A key path as users write it: stages.em.finetuning.layers[0]."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean ...? Allowed: ...`, to append to a sentence about an unknown name."""
    names = sorted(known)
    hint = did_you_mean(name, names)
    return f"{hint}{' Allowed' if hint else '; allowed'}: {', '.join(names) or 'nothing'}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean ...?` where a known name is close, else nothing."""
    close = get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def short(value: Any) -> str:
    """A value on one line, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 3] + "..."


def form_mistakes(
    error: ValidationError, data: Mapping[str, Any], schema: Mapping[str, Any], ignore: str
) -> list[Mistake]:
    """What pydantic found, one mistake a key, in plain words; errors of type `ignore` left out."""
    found: dict[KeyPath, list[str]] = {}
    details = [detail for detail in error.errors(include_url=False) if detail["type"] != ignore]
    names = [detail for detail in details if detail["loc"][-1:] == ("[key]",)]
    for detail in (detail for detail in details if detail not in names):
        path = _data_path(detail, data)
        text = _text(detail, path, data, schema)
        if text not in found.setdefault(path, []):
            found[path].append(text)
    deepest = [path for path in found if not any(_inside(other, path) for other in found)]
    misnamed = [Mistake(_data_path(d, data), f"as a name, {_pattern_rule(d)}") for d in names]
    return misnamed + [Mistake(path, _joined(found[path])) for path in deepest]


def _pattern_rule(detail: ErrorDetails) -> str:
    pattern = str(detail.get("ctx", {}).get("pattern"))
    return RULES.get(pattern, f"must match {pattern}")


def _inside(inner: KeyPath, outer: KeyPath) -> bool:
    return len(inner) > len(outer) and inner[: len(outer)] == outer


def _joined(texts: Sequence[str]) -> str:
    """Several complaints about one key come from a union's branches: any one may hold."""
    head = texts[0]
    return head + "".join(
        f", or {text.split(': ', 1)[-1].removeprefix('must ')}" for text in texts[1:]
    )


def _data_path(detail: ErrorDetails, data: Any) -> KeyPath:
    """The key path of an error: pydantic's location without the names of union branches."""
    path: list[str | int] = []
    for position, part in enumerate(detail["loc"]):
        if isinstance(data, Mapping) and part in data:
            data = data[part]  # type: ignore[index]
            path.append(part)
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
            path.append(part)
        elif detail["type"] == "missing" and position == len(detail["loc"]) - 1:
            path.append(part)
    if detail["type"] == "union_tag_invalid":
        path.append("kind")
    return tuple(path)


def _text(
    detail: ErrorDetails, path: KeyPath, data: Mapping[str, Any], schema: Mapping[str, Any]
) -> str:
    kind, value = detail["type"], short(detail["input"])
    if kind == NOT_SHOWN:
        return detail["msg"]
    if kind in ("extra_forbidden", "literal_error", "union_tag_not_found", "union_tag_invalid"):
        return _unknown(detail, path, data, schema)
    if kind == "missing":
        return "this key is required"
    if kind == "string_pattern_mismatch":
        return f"{value}: {_pattern_rule(detail)}"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"{value}: must be a mapping of keys to values"
    message = detail["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    return f"{value}: {message[:1].lower() + message[1:]}"


def _unknown(
    detail: ErrorDetails, path: KeyPath, data: Mapping[str, Any], schema: Mapping[str, Any]
) -> str:
    """A name that is not among those allowed, and the nearest one that is."""
    value = detail["input"]
    if detail["type"] == "extra_forbidden":
        return f"unknown key{nearest(str(path[-1]), allowed_keys(schema, data, path[:-1]))}"
    if detail["type"] == "literal_error":
        known = [str(constant) for constant in constants(schema, data, path)]
        return f"{short(value)}: unknown value{nearest(str(value), known)}"
    kinds = [str(kind) for kind in constants(schema, data, (*path, "kind"))]
    if detail["type"] == "union_tag_not_found":
        return f"the key `kind` is required{nearest('', kinds)}"
    kind = str(detail.get("ctx", {}).get("tag"))
    return f"{kind!r}: unknown kind{nearest(kind, constants(schema, data, path))}"
