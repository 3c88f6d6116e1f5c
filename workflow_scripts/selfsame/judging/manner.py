"""How judges are asked, which changes no reply: told by the environment, as the cache is.

The workflow sets both variables from the config: SELFSAME_JUDGES (by judge: where its key is, how
many requests at once, what may be spent) and SELFSAME_REPLIES (the folder of replies), which a user
may set instead.
"""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from selfsame.cache.settings import CacheSettings
from selfsame.cache.tiers import folder_of
from selfsame.errors import UserError

JUDGES = "SELFSAME_JUDGES"
REPLIES = "SELFSAME_REPLIES"


def manner_of(judge: str) -> dict[str, Any]:
    """The settings of `OpenaiJudge.manner` that differ from their defaults."""
    told: dict[str, dict[str, Any]] = json.loads(os.environ.get(JUDGES, "{}"))
    return told.get(judge, {})


def replies_folder() -> Path:
    """Where replies are kept."""
    return folder_of(os.environ.get(REPLIES, CacheSettings().replies))


def check_keys(variables: Mapping[str, str | None], judges: Iterable[str]) -> None:
    """Raise UserError where a judge that is about to be asked lacks the key it needs.

    variables: of judges with a key, the name of the environment variable that holds it.
    """
    for judge in sorted(set(judges)):
        key_of(judge, variables.get(judge))


def key_of(judge: str, variable: str | None) -> str | None:
    """The key of a judge, None where it wants none. Raises UserError where it is not set."""
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise UserError(
            f"judges.{judge}: the environment has no {variable}: set it to the server's key, or"
            f" give judges.{judge}.key_variable another name (null where no key is wanted)"
        )
    return key
