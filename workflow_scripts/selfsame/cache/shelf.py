"""One step's place in the cache: its key, worked out from its command line, and what lies there."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfsame.cache.key import ChangedInputError, Key, contents, key_of
from selfsame.cache.tiers import Cache, from_environment
from selfsame.digests import file_digests


@dataclass(frozen=True)
class Shelf:
    """A step's place; without a key nothing is found and nothing is kept.

    again: works the key out anew, since what a step was given can change while it runs.
    """

    cache: Cache
    key: Key | None
    again: Callable[[], Key | None]

    def fetch(self, into: Path) -> dict[str, Any] | None:
        """Restore the files into a new folder; the manifest, or None where nothing is kept."""
        return self.cache.fetch(self.key, into) if self.key else None

    def keep(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        """Keep a result, unless its code or inputs were changed under its feet."""
        if self.key and self.key == self.again():
            self.cache.keep(self.key, folder, without_paths(manifest))

    def part(self, roles: Mapping[str, Sequence[Path]]) -> "Shelf":
        """The place of a part of the result that needs only these inputs of some roles."""

        def of(key: Key | None) -> Key | None:
            return key and key.part({role: contents(paths) for role, paths in roles.items()})

        return Shelf(self.cache, of(self.key), lambda: of(self.again()))


NOWHERE = Shelf(Cache(), None, lambda: None)


def without_paths(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest as it is kept: where the inputs lay is of no use elsewhere."""
    return {key: value for key, value in manifest.items() if key != "inputs"}


def shelf_for(
    step: str,
    spec: Mapping[str, Any],
    inputs: Mapping[str, Sequence[Path]],
    code: Mapping[str, str],
    whole: bool,
) -> Shelf:
    """The place of a step; one without a key where there is no cache or no code is named.

    code: the digest of each of the step's modules, by path.
    """

    def key(digests: Mapping[str, str]) -> Key | None:
        texts = [Path(path).read_text(encoding="utf-8") for path in code]
        try:
            return key_of(step, spec, inputs, digests, texts, whole)
        except ChangedInputError as error:
            print(f"cache: not used: {error}")
            return None

    def again() -> Key | None:
        try:
            return key(file_digests(code))
        except FileNotFoundError as error:  # by a branch switch; what is made is as good as before
            print(f"cache: not used: {error.filename} was removed while the step ran")
            return None

    cache = from_environment()
    return Shelf(cache, key(code), again) if cache and code else NOWHERE
