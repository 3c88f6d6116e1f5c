"""Every reply of a judge, kept by what was asked: nothing that was answered is ever paid for twice.

One file a reply, `ab/<sha256 of what was asked>.json`, written under another name and moved into
place, so that it is whole or not there, and any number of jobs may share the folder. A file that is
damaged counts as absent: the judge is asked anew, and the file replaced.
"""

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfsame.digests import canonical, sha256_text
from selfsame.judging.replies import Reply, restored
from selfsame.publish import sync

Asked = Mapping[str, Any]


@dataclass(frozen=True)
class ReplyStore:
    """A folder of replies, made on first use."""

    root: Path

    def fetch(self, asked: Asked) -> Reply | None:
        """The reply to what was asked; None where there is none, or a damaged one.

        Raises OSError when the folder cannot be read.
        """
        try:
            stored = json.loads(self._path(asked).read_text(encoding="utf-8"))
            whole = stored["sha256"] == sha256_text(canonical([stored["asked"], stored["reply"]]))
            return restored(stored["reply"]) if whole and stored["asked"] == asked else None
        except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
            return None

    def keep(self, asked: Asked, reply: Reply) -> None:
        """Keep a reply, on the disk when this returns. Raises OSError where that cannot be."""
        # As it will be read: tuples are lists there.
        said = json.loads(json.dumps(reply.stored()))
        entry = {"asked": asked, "reply": said, "sha256": sha256_text(canonical([asked, said]))}
        final = self._path(asked)
        final.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=final.parent, prefix=".incoming-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(canonical(entry))
            sync(Path(name))
            os.replace(name, final)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)
            raise

    def _path(self, asked: Asked) -> Path:
        digest = sha256_text(canonical(asked))
        return self.root / digest[:2] / f"{digest}.json"
