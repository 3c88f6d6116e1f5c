"""Base models on a node's own disk: copied there once, whoever comes first, and read by all jobs.

`<node>/models/<digest>/` is a copy; `<digest>.lock` beside it is held (flock, which the kernel
frees when its holder is killed) alone while copying, and shared by every process that uses the
copy, so that none in use is removed.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from selfsame.cache.tiers import GB, folder_of, settings_from_environment

PARTIAL = ".partial"
_in_use: list[IO[str]] = []  # shared locks, held until this process ends


def stage(files: Sequence[Path], digest: str, digest_of: Callable[[Path], str]) -> Path | None:
    """The folder of a node's copy of a model's files; None where the config names no node folder.

    digest_of: gives a folder's digest, to check a new copy with. A node that cannot take the copy
    says so in the log, and the model is read from where it lies.
    """
    settings = settings_from_environment()
    if not settings["enabled"] or not settings.get("node"):
        return None
    models = folder_of(settings["node"]) / "models"
    try:
        return _staged(models, files, digest, digest_of, settings["limit_gb"] * GB)
    except OSError as error:
        print(f"cache: the base model is not copied to {models} ({error}); read where it lies")
        return None


def _staged(
    models: Path,
    files: Sequence[Path],
    digest: str,
    digest_of: Callable[[Path], str],
    limit_bytes: float,
) -> Path | None:
    folder = models / digest
    models.mkdir(parents=True, exist_ok=True)
    lock = (models / f"{digest}.lock").open("a")
    if not folder.is_dir():
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():  # nobody did while this process waited
            _make_room(models, sum(file.stat().st_size for file in files), limit_bytes)
            _copy(files, folder, digest, digest_of)
    fcntl.flock(lock, fcntl.LOCK_SH)
    if not folder.is_dir():  # removed between the two locks
        return None
    _in_use.append(lock)
    os.utime(folder)
    return folder


def _copy(
    files: Sequence[Path], folder: Path, digest: str, digest_of: Callable[[Path], str]
) -> None:
    """Whole and checked, or not at all; what a killed process left is replaced."""
    partial = folder.with_suffix(PARTIAL)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    started = time.monotonic()
    try:
        for file in files:
            shutil.copyfile(file, partial / file.name)
        if digest_of(partial) != digest:
            raise OSError("the copy is not the model that was resolved")
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    print(f"cache: base model copied to {folder} ({time.monotonic() - started:.1f} s)")


def _make_room(models: Path, needed: int, limit_bytes: float) -> None:
    """Remove copies that nobody uses, least recently used first, until another fits."""
    copies = [path for path in models.iterdir() if path.is_dir() and path.suffix != PARTIAL]
    copies.sort(key=lambda path: path.stat().st_mtime)
    total = needed + sum(_size(path) for path in copies)
    for path in copies:
        if total <= limit_bytes:
            return
        with path.with_suffix(".lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # in use
            total -= _size(path)
            shutil.rmtree(path)


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())
