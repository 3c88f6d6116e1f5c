"""The form of the names a user gives, each with the sentence that says so."""

import re

EXPERIMENT = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
NAME = r"^[a-z][a-z0-9_]*$"
CHAIN = r"^[a-z][a-z0-9_]*(\+[a-z][a-z0-9_]*)*(\+steer:[+-][a-z][a-z0-9_]*(:random)?)?$"
SHA256 = r"^[0-9a-f]{64}$"

STEER = "+steer:"  # what stands between a state and how it is steered at inference

RULES = {
    EXPERIMENT: "use up to 64 letters, digits, -, _ and ., a letter or digit first",
    NAME: "use lower-case letters, digits and _, a letter first",
    SHA256: "give the 64 hex digits that sha256sum prints",
    CHAIN: "write `base`, or stage names joined by + without spaces, and +steer:-<trait> last",
}


def is_chain(text: str) -> bool:
    """Whether a text has the form of a chain."""
    return re.fullmatch(CHAIN, text) is not None
