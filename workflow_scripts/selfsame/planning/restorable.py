"""Which of the jobs that would run the cache would satisfy, worked out before anything runs.

A kept step tells what it wrote. So the keys of the steps behind it can be worked out as well,
though none of their inputs are there yet: as far as every step on the way is kept. Whether kept
files are still whole is seen only when they are read, and the report, which reads the times of the
runs before it, always runs.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from selfsame.cache.key import Key, file_digest, key_of_contents, told_content
from selfsame.cache.store import DamagedEntryError, Store, read_entry
from selfsame.digests import MANIFEST, read_manifest, sha256_file
from selfsame.dryrun import Job
from selfsame.why import NO_INPUTS

Manifest = Mapping[str, Any]


def restorable(jobs: Sequence[Job], stores: Iterable[Store], folder: Path = Path()) -> set[str]:
    """The manifests of the jobs that would be restored. `jobs` come in an order that can be run."""
    stores, due = tuple(stores), {job.manifest for job in jobs}
    kept: dict[str, Manifest] = {}
    for job in jobs if stores else ():
        key = _key(job, kept, due, folder)
        entry = key and _entry(stores, key)
        if entry:
            kept[job.manifest] = entry
    return set(kept)


def script_of(job: Job) -> str:
    """The name of the step that a job runs; rules may share one."""
    return Path(job.command.split()[1]).stem


def _key(job: Job, kept: Mapping[str, Manifest], due: set[str], folder: Path) -> Key | None:
    """The key of a job; None where an input will only be known when it is there."""
    read: dict[str, list[str]] = {}
    for role, paths in job.arguments.items():
        if role not in NO_INPUTS:
            if any(path in due and path not in kept for path in paths):
                return None
            read[role] = [_content(path, kept, folder) for path in paths]
    code, texts = _code(tuple(job.arguments["code"]), folder)
    return key_of_contents(script_of(job), job.spec, read, code, texts)


def _content(path: str, kept: Mapping[str, Manifest], folder: Path) -> str:
    if path in kept:
        return told_content(kept[path])
    if Path(path).name == MANIFEST:
        return told_content(read_manifest(folder / path))
    return file_digest(folder / path)


@cache
def _code(paths: tuple[str, ...], folder: Path) -> tuple[dict[str, str], list[str]]:
    digests = {path: sha256_file(folder / path) for path in paths}
    return digests, [(folder / path).read_text(encoding="utf-8") for path in paths]


def _entry(stores: Iterable[Store], key: Key) -> Manifest | None:
    for store in stores:
        with suppress(FileNotFoundError, DamagedEntryError):
            manifest: Manifest = read_entry(store.path(key.digest))["manifest"]
            return manifest
    return None
