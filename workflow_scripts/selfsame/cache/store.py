"""One folder of finished steps, by key. Safe for many writers on one machine or over NFS.

Layout: `objects/ab/<key>/` holds `entry.json` (the key in full, the manifest, the sha256 of each
file) and `files/`. An entry is written under `incoming/` and appears by one rename, so it is whole
or not there; whoever comes second drops his own. No lock is ever held. Every byte is checked when
it is read: a damaged entry is moved to `damaged/` and counts as absent.
"""

import contextlib
import errno
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any

from selfsame.cache.key import Key
from selfsame.digests import canonical, sha256_text
from selfsame.publish import sync

ENTRY = "entry.json"
CHUNK_BYTES = 1024 * 1024
ABANDONED_S = 24 * 3600
COLLECT_EVERY_S = 600
LOW_WATER = 0.9  # a full store is emptied to this share, so that not every write has to


class DamagedEntryError(Exception):
    """An entry's bytes are not those that were written."""


@dataclass(frozen=True)
class Entry:
    """An entry as `list` shows it: when last used (Unix time), its size in bytes."""

    path: Path
    used: float
    size: int
    step: str
    found: str

    @property
    def key(self) -> str:
        """The entry's name."""
        return self.path.name


@dataclass(frozen=True)
class Store:
    """A folder of entries, made on first use."""

    root: Path
    limit_bytes: float = float("inf")

    def path(self, digest: str) -> Path:
        """Where an entry lies or would lie."""
        return self.root / "objects" / digest[:2] / digest

    def fetch(self, digest: str, into: Path) -> dict[str, Any] | None:
        """Copy an entry's files into a folder and return its manifest; None where there is none.

        A damaged entry is none, and may leave some files in the folder.
        Raises OSError when the store cannot be read or the folder not be written.
        """
        entry = self.path(digest)
        try:
            facts = read_entry(entry)
            for name, wanted in facts["manifest"]["outputs"].items():
                _copy(entry / "files" / name, into / name, wanted)
        except (FileNotFoundError, DamagedEntryError):
            self._set_aside(entry)
            return None
        with contextlib.suppress(OSError):  # the time of last use is a help, no need
            os.utime(entry / ENTRY)
        manifest: dict[str, Any] = facts["manifest"]
        return manifest

    def keep(self, key: Key, folder: Path, manifest: Mapping[str, Any]) -> bool:
        """Keep the files of a manifest; False where the entry is there already.

        Raises OSError when the store cannot be written (full, gone, read-only); nothing is left.
        """
        final = self.path(key.digest)
        if final.exists():
            return False
        incoming = self._incoming()
        try:
            for name, digest in manifest["outputs"].items():
                _copy(folder / name, incoming / "files" / name, digest)
                sync(incoming / "files" / name)
            _write_entry(incoming, key, manifest)
            final.parent.mkdir(parents=True, exist_ok=True)
            added = _rename(incoming, final)
        finally:
            shutil.rmtree(incoming, ignore_errors=True)
        self._collect_when_due()
        return added

    def adopt(self, path: Path) -> bool | None:
        """Move an entry's folder from the same disk in, once it is checked.

        True where it was added, False where it is there already, None where it is damaged.
        """
        try:
            _check(path)
        except (FileNotFoundError, DamagedEntryError):
            return None
        final = self.path(path.name)
        final.parent.mkdir(parents=True, exist_ok=True)
        return _rename(path, final)

    def entries(self) -> Iterator[Entry]:
        """Every entry; one that goes meanwhile is passed over."""
        for path in sorted(self.root.glob("objects/??/*")):
            with contextlib.suppress(FileNotFoundError, DamagedEntryError):
                facts = read_entry(path)
                size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
                used = (path / ENTRY).stat().st_mtime
                step = facts["key"]["step"] + (" (part)" if facts["key"].get("part") else "")
                yield Entry(path, used, size, step, facts["manifest"]["found"])

    def verify(self) -> Iterator[tuple[str, bool]]:
        """Read every entry; yields its key and whether it is whole. A damaged one is set aside."""
        for path in sorted(self.root.glob("objects/??/*")):
            try:
                _check(path)
            except (FileNotFoundError, DamagedEntryError):
                if self._set_aside(path):
                    yield path.name, False
            else:
                yield path.name, True

    def collect(self) -> list[Entry]:
        """Remove what a killed writer left, damaged entries, and the least recently used."""
        self._clear("damaged", 0)
        self._clear("incoming", ABANDONED_S)
        entries = sorted(self.entries(), key=lambda entry: entry.used)
        total, gone = sum(entry.size for entry in entries), []
        if total > self.limit_bytes:
            while entries and total > LOW_WATER * self.limit_bytes:
                oldest = entries.pop(0)
                self._remove(oldest.path)
                total -= oldest.size
                gone.append(oldest)
        return gone

    def _incoming(self) -> Path:
        folder = self.root / "incoming"
        folder.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(dir=folder))

    def _remove(self, path: Path) -> None:
        """By a rename first: a reader finds an entry whole or not at all."""
        waiting = self._incoming() / "entry"
        with contextlib.suppress(FileNotFoundError):  # somebody else removed it
            path.rename(waiting)
        shutil.rmtree(waiting.parent, ignore_errors=True)

    def _set_aside(self, path: Path) -> bool:
        """Move a damaged entry away; False where there is none, or another reader was faster."""
        if not path.exists():
            return False
        folder = self.root / "damaged"
        try:
            folder.mkdir(exist_ok=True)
            path.rename(folder / f"{path.name}.{time.time_ns()}")
        except OSError:
            return False
        print(f"cache: entry {path.name} is damaged and was set aside in {folder}")
        return True

    def _clear(self, name: str, older_than_s: float) -> None:
        for path in (self.root / name).glob("*"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime >= older_than_s:
                    shutil.rmtree(path, ignore_errors=True)

    def _collect_when_due(self) -> None:
        """Looking at all entries is slow on a shared disk: at most once in ten minutes."""
        mark = self.root / "collected"
        with contextlib.suppress(FileNotFoundError):
            if time.time() - mark.stat().st_mtime < COLLECT_EVERY_S:
                return
        mark.touch()
        self.collect()


def read_entry(path: Path) -> dict[str, Any]:
    """An entry's facts: its key in full and its manifest.

    Raises FileNotFoundError where there is none, DamagedEntryError where other bytes were written.
    """
    text = (path / ENTRY).read_text(encoding="utf-8", errors="replace")
    try:
        stored = json.loads(text)
        facts: dict[str, Any] = stored["facts"]
        whole = stored["sha256"] == sha256_text(canonical(facts))
        named = sha256_text(canonical(facts["key"])) == path.name
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedEntryError(path) from error
    if not (whole and named and all(map(_stays_inside, facts["manifest"]["outputs"]))):
        raise DamagedEntryError(path)
    return facts


def _stays_inside(name: str) -> bool:
    """A file name of an entry from elsewhere must not lead out of the folder."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts


def _check(path: Path) -> None:
    for name, wanted in read_entry(path)["manifest"]["outputs"].items():
        _digest_while(path / "files" / name, wanted, lambda chunk: None)


def _copy(source: Path, target: Path, wanted: str) -> None:
    """Copy and check in one reading. Raises DamagedEntryError on other bytes than wanted."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as out:
        _digest_while(source, wanted, out.write)


def _digest_while(source: Path, wanted: str, each: Any) -> None:
    digest = sha256()
    with source.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
            each(chunk)
    if digest.hexdigest() != wanted:
        raise DamagedEntryError(source)


def _write_entry(folder: Path, key: Key, manifest: Mapping[str, Any]) -> None:
    facts = {"key": key.facts, "manifest": manifest}
    text = canonical({"facts": facts, "sha256": sha256_text(canonical(facts))})
    (folder / ENTRY).write_text(text, encoding="utf-8")
    sync(folder / ENTRY)


def _rename(source: Path, target: Path) -> bool:
    """Move a folder into place; False where one is there already."""
    try:
        source.rename(target)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
            return False
        raise
    return True
