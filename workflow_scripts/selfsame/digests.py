"""Digests: of files, of JSON, and of what a step's input holds. Imports nothing heavy."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"


def canonical(value: Any) -> str:
    """The one text of a JSON value, so that equal specs compare equal as Snakemake params."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def sha256_text(text: str) -> str:
    """Hex SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def file_digests(paths: Iterable[str | Path]) -> dict[str, str]:
    """Hex SHA-256 of each file, by its path as it was given."""
    return {str(path): sha256_file(Path(path)) for path in paths}


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest beside a step's outputs."""
    manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return manifest
