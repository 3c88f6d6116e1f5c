"""Typed settings of the statistics, and what each arm is compared with. Light imports only."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

BASE = "base"  # the empty chain: the base model without any finetuning


class StatisticsSettings(BaseModel):
    """The `statistics` part of the config."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    primary_metric: str = Field(
        "advice_outside.aligned_coherent",
        description="The one metric named before the run on which the question is decided.",
    )
    bootstrap_samples: int = Field(
        10_000, ge=100, description="Bootstrap replicates; p-values are never below 1/(this + 1)."
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Level of every interval.")
    correction: Literal["holm", "fdr_bh"] = Field(
        "holm", description="Correction for many contrasts: Holm or Benjamini-Hochberg."
    )
    seed: int = Field(0, ge=0, description="Seed of the bootstrap.")


class Arm(BaseModel):
    """What one chain is compared with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    parent: str | None = Field(None, description="The chain without its last stage; null for base.")
    controls: tuple[str, ...] = Field(
        (), description="Chains that differ only in a last stage matched to this one's."
    )
