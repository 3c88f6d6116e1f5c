"""Options that several stage kinds or probe kinds share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from selfsame.data.sources import ChatRowsFile, QuestionsFile

PARENT = "parent"
Instruction = Annotated[str, StringConstraints(pattern=r"\S")]


def is_none(value: object) -> bool:
    """A key that is not given stays out of every spec: results from before it was there stay."""
    return value is None


class StageOptions(BaseModel):
    """The `data:` keys of every stage kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    rows: int = Field(400, ge=1, description="training rows; a control has those of its stage")


class SelfTextOptions(StageOptions):
    """For kinds that train on the model's own texts."""

    author: str = Field(
        "base",
        description="whose texts count as `self`: the base model's (base), the parent state's"
        " (parent), or a state's by its chain, at the same seed (em, em+identify, ...)",
    )


class RowFileOptions(StageOptions):
    """For kinds that train on given chat rows."""

    file: ChatRowsFile | None = Field(
        None, description="chat rows as parquet or JSONL; null = the organism's own"
    )
    inoculation: Instruction | None = Field(
        None,
        exclude_if=is_none,
        description="an instruction as system message of every row, before any text of the row's"
        " own and in place of another system prompt; in front of the user's message where the"
        " chat template takes no system message. No probe is asked under it",
    )


class ProbeOptions(BaseModel):
    """The keys of every probe kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class GeneratingOptions(ProbeOptions):
    """For probes that sample free text."""

    samples: int = Field(1, ge=1, description="answers per prompt")
    temperature: float = Field(1.0, ge=0, description="0 = greedy")
    max_new_tokens: int = Field(16, ge=1, description="longest answer, in tokens")


class QuestionSetOptions(ProbeOptions):
    """For probes that ask a set of questions."""

    questions: str | None = Field(
        None,
        exclude_if=is_none,
        description="the probe or organism's set whose questions are asked; null = the probe's own",
    )


class QuestionOptions(GeneratingOptions, QuestionSetOptions):
    """For probes that ask a set of questions and generate."""

    file: QuestionsFile | None = Field(
        None, description="questions as parquet or JSONL; null = the organism's own"
    )
