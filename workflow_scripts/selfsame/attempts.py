"""Which failures are worth another attempt.

A step ends with 75 where another node or another time may do better (`TryAgain`), and with 1 for
the user's mistakes and our own, which would fail again. Snakemake's `retries` knows no difference:
so a step that fails for good leaves `.failed.json` in its folder, and a later attempt of the same
Snakemake call that finds it ends at once with the same line and code. A job that was killed (out of
memory, over its time, a lost node) leaves nothing and is really tried again.

The mark counts for the Snakemake call that left it (`begin_call`), and for the same spec and code.
"""

import errno
import json
import os
import re
import sys
import traceback
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from selfsame.devices import promised
from selfsame.errors import TryAgain, UserError

CALL = "SELFSAME_CALL"
MARK = ".failed.json"

# A disk, or a mount of a file system, that is gone from this node: read errors (EIO), a device that
# is not there (ENODEV, ENXIO), a file server that forgot us (ESTALE), a mount whose daemon died or
# cut us off (ENOTCONN, ESHUTDOWN). Not among them: no such file, no right to it, no space left, a
# read-only disk. The user's mistakes look like that, and on every node alike.
GONE = frozenset(
    (errno.EIO, errno.ENODEV, errno.ENXIO, errno.ESTALE, errno.ENOTCONN, errno.ESHUTDOWN)
)
# Libraries in Rust give the number in words alone.
OS_ERROR = re.compile(r"\(os error (\d+)\)")

# What CUDA says of a device that is lost, broken or taken. Not among them: what a faulty kernel may
# cause as well (illegal memory access, device-side assert, launch failure).
LOST_GPU = (
    "all CUDA-capable devices are busy or unavailable",
    "CUDA-capable device(s) is/are busy or unavailable",
    "no CUDA-capable device is detected",
    "system not yet initialized",
    "uncorrectable ECC error encountered",
    "uncorrectable NVLink error",
)


def begin_call() -> None:
    """Give this Snakemake call a name of its own, which its jobs find in their environment."""
    os.environ[CALL] = uuid.uuid4().hex


@dataclass(frozen=True)
class Attempt:
    """One attempt at a job: its folder, its number, and a digest of what it is to do."""

    out: Path
    number: int
    task: str

    def refuse_repeat(self) -> None:
        """End as an earlier attempt of this call did, if it failed for good; else forget it."""
        failed = self._read()
        if self.number > 1 and failed.get("key") == self._key():
            _end(failed["said"], failed["code"])
        self._mark.unlink(missing_ok=True)

    @contextmanager
    def judged(self) -> Iterator[None]:
        """End with one line and a code where what is done in here fails, and mark it if for good.

        A fault of our own keeps its traceback.
        """
        try:
            yield
        except SystemExit as end:
            if end.code:
                self._leave_mark(str(end), end.code if isinstance(end.code, int) else 1)
            raise
        except Exception as error:
            reason = _trouble(error)
            if reason is not None:
                _end(f"error: {reason}", TryAgain.exit_code)
            if isinstance(error, UserError):
                self._leave_mark(f"error: {error}", error.exit_code)
                _end(f"error: {error}", error.exit_code)
            self._leave_mark(traceback.format_exc().rstrip(), UserError.exit_code)
            raise

    @property
    def _mark(self) -> Path:
        return self.out / MARK

    def _key(self) -> list[str]:
        return [os.environ.get(CALL, ""), self.task]

    def _read(self) -> dict[str, Any]:
        try:
            mark: dict[str, Any] = json.loads(self._mark.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # none, or one that was being written when its job was killed
            return {}
        return mark

    def _leave_mark(self, said: str, code: int) -> None:
        """Only for a later attempt of a Snakemake call: a step run by hand leaves nothing."""
        if CALL not in os.environ or code == TryAgain.exit_code:
            return
        mark = {"key": self._key(), "attempt": self.number, "code": code, "said": said}
        with suppress(OSError):
            self.out.mkdir(parents=True, exist_ok=True)
            self._mark.write_text(json.dumps(mark), encoding="utf-8")


def _trouble(error: BaseException) -> str | None:
    """Why the error, or what it came from, is the node's fault; None where it is not."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, TryAgain):
            return str(cause)
        if _number(cause) in GONE:
            return f"{cause}: a disk or a mount of this node is gone"
        if promised() and any(said in str(cause) for said in LOST_GPU):
            return f"the GPU is lost: {str(cause).splitlines()[0]}"
        cause = cause.__cause__ or cause.__context__
    return None


def _number(error: BaseException) -> int | None:
    """The errno of an operating system's error."""
    if not isinstance(error, OSError):
        return None
    worded = OS_ERROR.search(str(error))
    return int(worded[1]) if error.errno is None and worded else error.errno


def _end(said: str, code: int) -> NoReturn:
    print(said, file=sys.stderr)
    sys.exit(code)
