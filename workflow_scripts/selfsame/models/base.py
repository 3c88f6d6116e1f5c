"""The base model as steps hand it on: a folder with its files, or a manifest that names one."""

from pathlib import Path
from typing import Any

from selfsame.errors import UserError
from selfsame.models.load import resolve
from selfsame.models.settings import HfModelSettings
from selfsame.step import read_manifest


def find(settings: dict[str, Any]) -> dict[str, Any]:
    """Resolve and check a Hugging Face model: its path, hub commit and digest."""
    found = resolve(HfModelSettings(**settings))
    return {"path": str(found.path), "commit": found.commit, "digest": found.digest}


def base_folder(manifest: Path) -> Path:
    """Where the base model's files lie. Raises UserError when a named folder is gone."""
    named = read_manifest(manifest).get("model")
    folder = Path(named["path"]) if named else manifest.parent
    if not (folder / "config.json").exists():
        raise UserError(f"{folder}: the base model is not there any more; restore it or rerun")
    return folder
