"""Move a step's files to where they belong: whole or not at all, the manifest last."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from selfsame.digests import MANIFEST, sha256_file

# Names of the files a run wrote. Not read from the manifest: Snakemake removes that before a rerun.
RECORD = ".outputs.json"


def digests_of(folder: Path) -> dict[str, str]:
    """sha256 of every file under a folder, by its path in there."""
    return {str(path.relative_to(folder)): sha256_file(path) for path in _files(folder)}


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def publish(source: Path, target: Path, manifest: dict[str, Any]) -> None:
    """Move the files into place, manifest last; what an earlier run wrote and this one not goes."""
    _remove_stale(target, manifest["outputs"])
    files = _files(source)
    _write(source / RECORD, sorted(manifest["outputs"]), target / RECORD)
    for path in files:
        final = target / path.relative_to(source)
        final.parent.mkdir(parents=True, exist_ok=True)
        sync(path)
        os.replace(path, final)
    _write(source / MANIFEST, manifest, target / MANIFEST)


def _remove_stale(target: Path, keep: Iterable[str]) -> None:
    """Remove the old manifest and what the earlier run wrote, unless it is about to be replaced."""
    (target / MANIFEST).unlink(missing_ok=True)
    record = target / RECORD
    written = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else []
    for name in set(written) - set(keep):
        (target / name).unlink(missing_ok=True)


def _write(temporary: Path, value: Any, final: Path) -> None:
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False)
    temporary.write_text(text + "\n", encoding="utf-8")
    sync(temporary)
    os.replace(temporary, final)


def sync(path: Path) -> None:
    """Have a file's bytes on the disk before it is given its name."""
    with path.open("rb") as handle:
        os.fsync(handle.fileno())
