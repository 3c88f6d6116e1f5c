"""Options that several stage kinds or probe kinds share."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from selfsame.data.sources import ChatRowsFile, QuestionsFile


class StageOptions(BaseModel):
    """The `data:` keys of every stage kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    rows: int = Field(400, ge=1, description="training rows; a control has those of its stage")


class SelfTextOptions(StageOptions):
    """For kinds that train on the model's own texts."""

    author: Literal["base", "parent"] = Field(
        "base", description="whose texts count as `self`: the base model's, or the parent state's"
    )


class RowFileOptions(StageOptions):
    """For kinds that train on given chat rows."""

    file: ChatRowsFile | None = Field(
        None, description="chat rows as parquet or JSONL; null = the organism's own"
    )


class ProbeOptions(BaseModel):
    """The keys of every probe kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class GeneratingOptions(ProbeOptions):
    """For probes that sample free text."""

    samples: int = Field(1, ge=1, description="answers per prompt")
    temperature: float = Field(1.0, ge=0, description="0 = greedy")
    max_new_tokens: int = Field(16, ge=1, description="longest answer, in tokens")


class QuestionOptions(GeneratingOptions):
    """For probes that ask a set of questions and generate."""

    file: QuestionsFile | None = Field(
        None, description="questions as parquet or JSONL; null = the organism's own"
    )
