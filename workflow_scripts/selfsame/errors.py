"""The exceptions that end a step in one clear line, and the exit code each of them stands for."""

import os


class UserError(Exception):
    """A mistake in what the user supplied. The message is one line: key or file, and the mend."""

    exit_code = 1


class TryAgain(UserError):  # noqa: N818 - what to do, and no error of the user's
    """Trouble of this node or at this time: the same job may do well elsewhere or later."""

    exit_code = os.EX_TEMPFAIL  # 75


def printable(text: str) -> str:
    """Without line breaks and terminal codes, which names and values in a file may hold."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
