"""Locks that the kernel frees when their holder is killed: one run an experiment, one job a folder.

Where a file system knows no such locks, nothing is held and everything goes on as before.
"""

import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from selfsame.errors import UserError

LOCK = ".lock"
UNKNOWN_HERE = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


_of_this_process: list[IO[str]] = []  # open, hence locked, until it ends


def claim_run(folder: Path) -> None:
    """Make this process the only run of an experiment, for as long as it lives.

    Raises UserError, with who it is, while another run works in the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    held = (folder / LOCK).open("a+", encoding="utf-8")
    try:
        _lock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        held.seek(0)
        who = held.read().strip() or "unknown"
        mend = "wait until it ends, or stop it"
        raise UserError(f"{folder}: another run is at work there ({who}); {mend}") from None
    held.truncate(0)
    held.write(f"process {os.getpid()} on {socket.gethostname()}\n")
    held.flush()
    _of_this_process.append(held)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold a step's folder; waits for a job that an earlier, killed run has left working there."""
    with (folder / LOCK).open("a") as held:
        try:
            _lock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{folder}: an earlier job still works there; waiting for it", flush=True)
            _lock(held, fcntl.LOCK_EX)
        yield


@contextmanager
def locked(file: Path) -> Iterator[IO[str]]:
    """A file, made where there is none, that no other process or thread reads or writes in here."""
    with file.open("a+", encoding="utf-8") as held:
        _lock(held, fcntl.LOCK_EX)
        yield held


def _lock(held: IO[str], how: int) -> None:
    try:
        fcntl.flock(held, how)
    except OSError as error:
        if error.errno not in UNKNOWN_HERE:
            raise
