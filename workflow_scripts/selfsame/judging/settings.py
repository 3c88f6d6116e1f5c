"""Settings of judges that are asked. Imports nothing heavy: the config reads this module."""

import re
from typing import Annotated, ClassVar, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from selfsame.models.settings import HfModelSettings

FROZEN = ConfigDict(frozen=True, extra="forbid")
PROMPTS = "config/judging/english.yaml"
# A mistake whose message must not show the value: it may be a key.
NOT_SHOWN = "value_not_shown"

Prompts = Annotated[
    str, Field(min_length=1, description="File with the wording of what the judge is asked.")
]


def _parts(text: str) -> SplitResult | None:
    """The parts of an address; None where it is none, by its host, its port or its characters."""
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises where it is none
    except ValueError:
        return None
    return parts if text.isprintable() else None


def _address(text: str) -> str:
    """An address may start with a variable that holds it; a name and password have no place."""
    if text.startswith("$"):
        return text
    parts = _parts(text)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise PydanticCustomError(NOT_SHOWN, "must be an http or https address, up to /v1")
    if parts.username or parts.password or parts.query or parts.fragment:
        text = "must hold no user name, password or query: the key comes from key_variable"
        raise PydanticCustomError(NOT_SHOWN, text)  # type: ignore[arg-type]
    return text


def _variable(name: str | None) -> str | None:
    if name is not None and not re.fullmatch(r"[A-Z_][A-Z0-9_]*", name):
        text = "must be the NAME of an environment variable; the key itself belongs in no file"
        raise PydanticCustomError(NOT_SHOWN, text)  # type: ignore[arg-type]
    return name


class Budget(BaseModel):
    """What one run may spend on a judge, over all of its jobs."""

    model_config = FROZEN

    requests: int | None = Field(
        default=None, ge=1, description="Requests; one and its retries count once. null: no limit."
    )
    tokens: int | None = Field(
        default=None,
        ge=1,
        description="Tokens of prompts and replies, as the server counts them. null: no limit.",
    )


class OpenaiJudge(BaseModel):
    """A model behind any server that speaks OpenAI's chat completions."""

    model_config = FROZEN
    # How it is asked, which changes no reply.
    manner: ClassVar[frozenset[str]] = frozenset(
        {"key_variable", "concurrency", "timeout", "retries", "budget"}
    )

    kind: Literal["openai"] = "openai"
    base_url: Annotated[str, AfterValidator(_address)] = Field(
        default="https://api.openai.com/v1",
        description="Address of the server, up to /v1. A $VARIABLE is filled in where a step runs,"
        " and what it holds does not count as another server.",
    )
    model: str = Field(min_length=1, description="The model, as the server calls it.")
    key_variable: Annotated[str | None, AfterValidator(_variable)] = Field(
        default="OPENAI_API_KEY",
        description="NAME of the environment variable that holds the key; null: it wants none.",
    )
    concurrency: int = Field(default=8, ge=1, le=256, description="Requests under way at once.")
    timeout: float = Field(default=60.0, gt=0, description="Seconds to wait for a reply.")
    retries: int = Field(
        default=6,
        ge=0,
        le=20,
        description="Further tries after a rate limit, a fault of the server or a broken"
        " connection, each after a longer pause, or after the one that the server asks for.",
    )
    budget: Budget = Field(default=Budget(), description="What one run may spend on this judge.")
    logprobs: Literal["auto", True, False] = Field(
        default="auto",
        description="Whether the score is read from the log-probabilities of the first token; auto:"
        " where the server gives them, else from the text.",
    )
    top_logprobs: int = Field(
        default=20, ge=1, le=20, description="How many of them are asked for."
    )
    max_tokens: int = Field(
        default=8, ge=1, description="Longest reply; more only for a judge that thinks first."
    )
    seed: int = Field(default=0, ge=0, description="Sent along, for servers that know seeds.")
    prompts: Prompts = PROMPTS


class LocalJudge(HfModelSettings):
    """A Hugging Face chat model that runs here, read by its exact next-token probabilities."""

    # Where it lies is told by the step that finds it, and its size changes nothing.
    found: ClassVar[frozenset[str]] = frozenset({"path", "hub_id", "revision", "parameters"})

    kind: Literal["local"] = "local"  # type: ignore[assignment]
    names: SkipJsonSchema[tuple[str, ...]] = ()
    prompts: Prompts = PROMPTS

    @model_validator(mode="after")
    def _no_names(self) -> Self:
        if self.names:
            raise ValueError("names belong to the model under study: remove them")
        return self


JudgeSettings = Annotated[OpenaiJudge | LocalJudge, Field(discriminator="kind")]
