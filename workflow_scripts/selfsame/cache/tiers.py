"""The cache as a step sees it: a node's own disk before the folder that all nodes share.

Where it lies comes from the environment variable SELFSAME_CACHE, which the workflow sets from the
config: `off`, a folder, or the config's section as JSON. A tier that fails is a tier less: a step
says so in its log and goes on.
"""

import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfsame.cache.key import Key
from selfsame.cache.store import Store

VARIABLE = "SELFSAME_CACHE"
OFF = "off"
GB = 1e9


@dataclass(frozen=True)
class Cache:
    """Stores in the order they are asked; with none, nothing is found or kept."""

    stores: Sequence[Store] = ()

    def __bool__(self) -> bool:
        """Whether there is any store."""
        return bool(self.stores)

    def fetch(self, key: Key, into: Path) -> dict[str, Any] | None:
        """Copy a result's files into a folder (removed where there is none): its manifest or None.

        What a slower store held is kept in the faster ones.
        """
        for number, store in enumerate(self.stores):
            into.mkdir()
            manifest: dict[str, Any] | None = _attempt(
                store, "read", lambda store=store: store.fetch(key.digest, into)
            )
            if manifest is not None:
                self._keep(self.stores[:number], key, into, manifest)
                return manifest
            shutil.rmtree(into)
        return None

    def keep(self, key: Key, folder: Path, manifest: Mapping[str, Any]) -> None:
        """Keep a result in every store."""
        self._keep(self.stores, key, folder, manifest)

    def _keep(
        self, stores: Iterable[Store], key: Key, folder: Path, manifest: Mapping[str, Any]
    ) -> None:
        for store in stores:
            _attempt(store, "written", lambda store=store: store.keep(key, folder, manifest))


def _attempt(store: Store, what: str, do: Any) -> Any:
    try:
        return do()
    except OSError as error:
        print(f"cache: {store.root} could not be {what} ({error}); the step goes on without it")
        return None


def from_environment() -> Cache:
    """The cache that the workflow, or the user, set in SELFSAME_CACHE; none where it is unset."""
    return Cache(stores_of(settings_from_environment()))


def settings_from_environment(unset: str = OFF) -> dict[str, Any]:
    """The settings that SELFSAME_CACHE stands for, or the text `unset` where it is not set."""
    text = os.environ.get(VARIABLE, unset)
    if text == OFF:
        return {"enabled": False}
    if text.startswith("{"):
        settings: dict[str, Any] = json.loads(text)
        return settings
    return {"enabled": True, "shared": text}


def stores_of(settings: Mapping[str, Any]) -> tuple[Store, ...]:
    """The stores of settings as in the config's section `cache`, the node's own first."""
    if not settings["enabled"]:
        return ()
    limit = settings.get("limit_gb", float("inf")) * GB
    folders = (settings.get("node"), settings["shared"])
    return tuple(Store(folder_of(text), limit) for text in folders if text)


def folder_of(text: str) -> Path:
    """A folder of the settings on this machine."""
    return Path(os.path.expandvars(text)).expanduser()
