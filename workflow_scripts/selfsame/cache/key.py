"""The key of a step's result: everything that decides it, and nothing else.

spec + contents of the inputs by role + code + versions of the libraries that the code uses + the
kind of device. Paths, threads, memory and names of files outside the project decide nothing.
"""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from selfsame.digests import MANIFEST, canonical, read_manifest, sha256_file, sha256_text

FORMAT = 1
BIG_BYTES = 64 * 1024 * 1024
# Import names of the libraries whose version can change a result, and what each brings along.
LIBRARIES: Mapping[str, tuple[str, ...]] = {
    "krippendorff": ("krippendorff",),
    "numpy": ("numpy",),
    "pandas": ("pandas",),
    "peft": ("peft",),
    "pyarrow": ("pyarrow",),
    "scipy": ("scipy",),
    "sklearn": ("scikit-learn",),
    "statsmodels": ("statsmodels",),
    "tokenizers": ("tokenizers",),
    "torch": ("torch",),
    "transformers": ("transformers", "tokenizers"),
}
IMPORT = re.compile(r"^\s*(?:from|import)\s+(\w+)", re.MULTILINE)
GPUS = Path("/proc/driver/nvidia/gpus")


class ChangedInputError(Exception):
    """A file is not what the manifest beside it says: what is made of it must not be kept."""


@dataclass(frozen=True)
class Key:
    """What decides a result, in full and as the name of its entry."""

    facts: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """Hex SHA-256: the entry's name."""
        return sha256_text(canonical(self.facts))

    def part(self, roles: Mapping[str, Sequence[str]]) -> "Key":
        """The key of a part of the result that needs only these inputs of some roles."""
        inputs = {**self.facts["inputs"], **roles}
        return Key({**self.facts, "inputs": inputs, "part": True})


def key_of(  # noqa: PLR0917
    step: str,
    spec: Mapping[str, Any],
    inputs: Mapping[str, Sequence[Path]],
    code: Mapping[str, str],
    texts: Sequence[str],
    whole: bool,
) -> Key:
    """The key of a step.

    Args:
        step: the script's name.
        inputs: paths by role, in the order that the step reads them.
        code: sha256 of each module of the step; texts: what those modules say.
        whole: the step reads its inputs' manifests themselves, not only the files beside them.

    Raises:
        ChangedInputError: an input is not what its manifest says.
    """
    read = {role: contents(paths, whole) for role, paths in inputs.items()}
    return key_of_contents(step, spec, read, code, texts)


def key_of_contents(
    step: str,
    spec: Mapping[str, Any],
    read: Mapping[str, Sequence[str]],
    code: Mapping[str, str],
    texts: Sequence[str],
) -> Key:
    """The key of a step, given what its inputs hold."""
    return Key(
        {
            "format": FORMAT,
            "step": step,
            "spec": spec,
            "inputs": read,
            "code": code,
            "versions": versions_for(texts),
            "device": device_kind(spec.get("device")),
        }
    )


def contents(paths: Sequence[Path], whole: bool = False) -> list[str]:
    """What each path holds, in order."""
    return [content_of(path, whole) for path in paths]


def content_of(path: Path, whole: bool = False) -> str:
    """Digest of a file; of a manifest, that of the files it names (or of the manifest as well).

    When a step ran, how long, and where its files lie is no content, so that a rerun that writes
    the same files changes no key behind it.
    """
    if path.name != MANIFEST:
        return file_digest(path)
    manifest = read_manifest(path)
    for name, digest in manifest["outputs"].items():
        if file_digest(path.parent / name) != digest:
            raise ChangedInputError(f"{path.parent / name} is not what its manifest says")
    return told_content(manifest, **({"manifest": sha256_file(path)} if whole else {}))


def told_content(manifest: Mapping[str, Any], /, **more: str) -> str:
    """The content that a manifest tells of, its files not being looked at."""
    digest = (manifest.get("model") or {}).get("digest")
    return sha256_text(canonical({"outputs": manifest["outputs"], "model": digest, **more}))


_big: dict[tuple[str, int, int, int], str] = {}


def file_digest(path: Path) -> str:
    """sha256 of a file; a big one is read once a process while it stays as it is."""
    facts = path.stat()
    if facts.st_size < BIG_BYTES:
        return sha256_file(path)
    known = (str(path.resolve()), facts.st_size, facts.st_mtime_ns, facts.st_ino)
    if known not in _big:
        _big[known] = sha256_file(path)
    return _big[known]


def versions_for(texts: Sequence[str]) -> dict[str, str]:
    """Versions of Python and of the libraries that a code imports, at its head or inside."""
    imported = {name for text in texts for name in IMPORT.findall(text)}
    wanted = sorted({dist for name in imported for dist in LIBRARIES.get(name, ())})
    python = ".".join(map(str, sys.version_info[:2]))
    return {"python": python, **{name: metadata.version(name) for name in wanted}}


def device_kind(asked: str | None) -> str | None:
    """`cuda` or `cpu` for a step with a model, without importing torch; None for any other."""
    if asked != "auto":
        return asked and asked.partition(":")[0]
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    return "cuda" if GPUS.is_dir() and any(GPUS.iterdir()) and not hidden else "cpu"
