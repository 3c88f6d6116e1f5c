"""What an adapter was trained on: the base and the adapters before it, by their contents.

An adapter fits any model of its base's shape, and means nothing on another one. So the step that
trains it notes what it was trained on, and who puts it on something compares.
"""

from collections.abc import Sequence
from pathlib import Path

from selfsame.cache.key import told_content
from selfsame.digests import read_manifest
from selfsame.errors import UserError

TRAINED_ON = "trained_on"


def contents_of(base: Path, adapters: Sequence[Path] = ()) -> list[str]:
    """Digests of what the manifests of a base model and of a chain's adapters tell of."""
    return [told_content(read_manifest(path)) for path in (base, *adapters)]


def folders_of(base: Path, adapters: Sequence[Path]) -> list[Path]:
    """The folders of a chain's adapters, given by their manifests, the first stage first.

    Raises UserError where one says that it was trained on something else than what is before it.
    """
    found = contents_of(base, adapters)
    for place, path in enumerate(adapters, start=1):
        known = read_manifest(path).get(TRAINED_ON, found[:place])
        if known != found[:place]:
            other = "other stages" if known[:1] == found[:1] else "another base model"
            raise UserError(
                f"{path.parent}: the adapter was trained on {other} than it is put on;"
                " remove its folder and finetune it again"
            )
    return [path.parent for path in adapters]
