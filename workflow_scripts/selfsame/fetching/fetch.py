"""One dataset's file in its folder: from where it was fetched before, a local path, or the network.

Beside the file stands source.json: where it is from, its digest, its licence and whom to cite.
"""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from selfsame.digests import sha256_file
from selfsame.errors import TryAgain, UserError
from selfsame.fetching.addresses import PLACES, address_of, file_name
from selfsame.fetching.download import download

SOURCE = "source.json"
PART = ".download"

Spec = Mapping[str, Any]


def fetch(spec: Spec, local: Sequence[Path], final: Path, out: Path) -> str:
    """Write the dataset's file and source.json into `out`; returns one line on what was found.

    spec: an entry of the registry with its `name`, see `selfsame.config.registry`.
    local: the file itself where the entry names a `path` and it is there.
    final: the folder where the files will be, and where those of an earlier call are.

    Raises UserError or TryAgain, one line that begins with the dataset's name.
    """
    target = out / file_name(spec)
    try:
        how = _obtain(spec, local, final, target)
        digest = _checked(spec, target)
    except TryAgain as error:
        raise TryAgain(f"dataset {spec['name']}: {error}") from error
    except UserError as error:
        raise UserError(f"dataset {spec['name']}: {error}") from error
    size = target.stat().st_size
    facts = {**_place(spec), "sha256": digest, "bytes": size}
    facts |= {key: spec[key] for key in ("licence", "source")}
    (out / SOURCE).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return f"{size:,} bytes {how}, {_pinning(spec, digest)}"


def _place(spec: Spec) -> dict[str, Any]:
    """Where an entry says that its file is."""
    return {key: spec[key] for key in PLACES if key in spec}


def _obtain(spec: Spec, local: Sequence[Path], final: Path, target: Path) -> str:
    """Have the file at `target`; says how."""
    earlier = final / target.name
    if local:
        shutil.copyfile(local[0], target)
        return f"from {spec['path']}"
    if _is_the_one(spec, earlier, final / SOURCE):
        shutil.copyfile(earlier, target)
        return "were here already"
    if "path" in spec:
        how = f"; {spec['how']}" if spec["how"] else ""
        raise UserError(f"no such file: {spec['path']}{how}")
    part = final / PART
    download(address_of(spec), part)
    os.replace(part, target)
    return "fetched"


def _is_the_one(spec: Spec, file: Path, source: Path) -> bool:
    """Whether a file is what an entry means: the pinned one, or whole and from the same place."""
    if not file.is_file():
        return False
    if spec["sha256"] is not None:
        return bool(sha256_file(file) == spec["sha256"])
    try:
        facts = json.loads(source.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # none, or of a call that was killed
        return False
    same = {key: facts.get(key) for key in PLACES if key in facts} == _place(spec)
    return same and bool(facts.get("sha256") == sha256_file(file))


def _checked(spec: Spec, file: Path) -> str:
    """The file's sha256. Raises UserError where the registry pins another one, or another size."""
    size, digest = file.stat().st_size, sha256_file(file)
    place = next(iter(_place(spec).values()))
    if spec["bytes"] not in (None, size):
        raise UserError(f"{place}: has {size:,} bytes, the registry says {spec['bytes']:,}")
    if spec["sha256"] not in (None, digest):
        raise UserError(f"{place}: has the sha256 {digest}, the registry says {spec['sha256']}")
    return digest


def _pinning(spec: Spec, digest: str) -> str:
    if spec["sha256"] is not None:
        return "the sha256 is the pinned one"
    return f"no sha256 is pinned: write `sha256: {digest}` into the registry"
