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
from selfsame.judging.settings import OpenaiJudge

JUDGES = "SELFSAME_JUDGES"
REPLIES = "SELFSAME_REPLIES"


def manner_of(judge: str) -> dict[str, Any]:
    """The settings of `OpenaiJudge.manner` that differ from their defaults."""
    told: dict[str, dict[str, Any]] = json.loads(os.environ.get(JUDGES, "{}"))
    return told.get(judge, {})


def replies_folder() -> Path:
    """Where replies are kept."""
    return folder_of(os.environ.get(REPLIES, CacheSettings().replies))


def check_access(servers: Mapping[str, OpenaiJudge], judges: Iterable[str]) -> None:
    """Raise UserError where a server that is about to be asked lacks its key or its address.

    servers: the judges behind a server; others want neither.
    """
    for judge in sorted({*servers} & {*judges}):
        key_of(judge, servers[judge].key_variable)
        address_of(judge, servers[judge].base_url)


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


def address_of(judge: str, base_url: str) -> str:
    """Where a server is, variables filled in. Raises UserError where one of them is not set."""
    address = os.path.expandvars(base_url)
    if not address.startswith(("http://", "https://")):
        raise UserError(
            f"judges.{judge}.base_url: the environment has no http or https address in {base_url}:"
            " set it to the server's, up to /v1"
        )
    return address
