"""Settings of a Hugging Face chat model. Imports nothing heavy: the config reads this module."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, model_validator

Dtype = Literal["auto", "float32", "bfloat16"]
Attention = Literal["sdpa", "flash_attention_2", "eager"]
Quantization = Literal["none", "4bit"]
LONGEST_HUB_NAME = 96


class SystemText(BaseModel):
    """A system prompt given in words."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: Annotated[str, Field(min_length=1, description="The system message, word for word.")]


SystemPrompt = Annotated[
    Literal["none", "template"] | SystemText,
    Field(
        description="none: really no system text, even where the chat template would add its own; "
        "template: whatever the chat template does by itself; {text: ...}: this text. "
        "A conversation that brings its own system message keeps it."
    ),
]


def parse_system(value: Any) -> SystemPrompt:
    """Return the system prompt that stands in a step's spec as plain JSON."""
    system: SystemPrompt = TypeAdapter(SystemPrompt).validate_python(value)
    return system


class Loading(BaseModel):
    """How a step loads the model; its blocks are spread over all the GPUs that the job has."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    dtype: Dtype = "float32"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    trust_remote_code: bool = False
    attention: Attention = "sdpa"
    quantization: Quantization = "none"
    gpus: int = 1


AS_FLOAT32 = Loading()


def _on_the_hub(name: str | None) -> str | None:
    """The hub's own rules for a repository's name, which no pattern tells well."""
    if name is None:
        return None
    ends = [part[:1] + part[-1:] for part in name.split("/")]
    if any(mark in name for mark in ("--", "..")) or any({*end} & {*"-."} for end in ends):
        raise ValueError("a name on the hub has no -- or .. in it, nor - or . at an end")
    if len(name) > LONGEST_HUB_NAME or name.endswith(".git"):
        raise ValueError(f"a name on the hub has at most {LONGEST_HUB_NAME} letters and no .git")
    return name


class HfModelSettings(BaseModel):
    """A chat model in Hugging Face format: a local directory or a repository on the hub."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["hf"] = "hf"
    path: Annotated[
        Path | None, Field(description="Directory with config.json, safetensors and tokenizer.")
    ] = None
    hub_id: Annotated[
        str | None,
        Field(pattern=r"^[\w.-]+(/[\w.-]+)?$", description="Repository on the hub, owner/name."),
        AfterValidator(_on_the_hub),
    ] = None
    revision: Annotated[
        str | None,
        Field(description="Commit, tag or branch of hub_id; a commit is the one that stays."),
    ] = None
    trust_remote_code: Annotated[
        bool, Field(description="Run Python code that comes with the model. Read it first.")
    ] = False
    dtype: Annotated[
        Dtype,
        Field(description="Of the weights. auto: the checkpoint's own on a GPU, float32 on a CPU."),
    ] = "auto"
    attention: Annotated[
        Attention,
        Field(
            exclude_if=lambda given: given == "sdpa",
            description="flash_attention_2 needs a GPU and flash-attn; sdpa is torch's own.",
        ),
    ] = "sdpa"
    quantization: Annotated[
        Quantization,
        Field(
            exclude_if=lambda given: given == "none",
            description="4bit: the base's weights in NF4, adapters beside them and never merged; "
            "needs bitsandbytes.",
        ),
    ] = "none"
    parameters: Annotated[
        float | None,
        Field(
            gt=0,
            description="How many it has, to reserve memory and time by before it is downloaded "
            "(1.5e9); null: counted in its files. Never changes a result.",
        ),
    ] = None
    system_prompt: SystemPrompt = "none"
    names: Annotated[
        tuple[str, ...],
        Field(description="The model's own names and its developer's, as it would say them."),
    ] = ()

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.path is None) == (self.hub_id is None):
            raise ValueError("give exactly one of path and hub_id (null removes the inherited one)")
        if self.revision is not None and self.hub_id is None:
            raise ValueError("revision belongs to hub_id: remove it or give hub_id")
        return self
