"""The base model as steps hand it on: a folder with its files, or a manifest that names one."""

from pathlib import Path
from typing import Any

from selfsame.cache.staging import stage
from selfsame.digests import read_manifest
from selfsame.errors import UserError
from selfsame.models.load import digest_of_files


def base_folder(manifest: Path) -> Path:
    """Where the base model is to be read: on the node's own disk, where the config names one.

    Raises UserError when a named folder is gone.
    """
    named = read_manifest(manifest).get("model")
    folder = Path(named["path"]) if named else manifest.parent
    if not (folder / "config.json").exists():
        raise UserError(f"{folder}: the base model is not there any more; restore it or rerun")
    return (named and _on_node(folder, named)) or folder


def _on_node(folder: Path, named: dict[str, Any]) -> Path | None:
    names = named["files"]

    def digest_of(copy: Path) -> str:
        return digest_of_files([copy / name for name in names])

    return stage([folder / name for name in names], named["digest"], digest_of)
