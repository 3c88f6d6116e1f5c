"""Reading config data that nobody has validated yet: parts of the wrong form count as empty."""

from collections.abc import Mapping
from typing import Any


def mapping(data: Any, *keys: str) -> Mapping[str, Any]:
    """The mapping at a path of keys, empty where there is none."""
    for key in keys:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data if isinstance(data, Mapping) else {}


def sequence(data: Mapping[str, Any], key: str) -> list[Any]:
    """The list at a key, empty where there is none."""
    value = data.get(key)
    return list(value) if isinstance(value, list | tuple) else []
