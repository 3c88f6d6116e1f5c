"""Results to keep in a cache, and their keys."""

from pathlib import Path
from typing import Any

from selfsame.cache.key import Key

Kept = tuple[Key, Path, dict[str, Any]]


def key_named(name: str) -> Key:
    """A key of its own for each name."""
    return Key({"step": "make", "spec": {"name": name}, "inputs": {}})
