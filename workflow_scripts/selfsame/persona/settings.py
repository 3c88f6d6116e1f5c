"""Typed settings of the persona-vector evaluation. Imports nothing heavy: the config reads this."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

FROZEN = ConfigDict(extra="forbid", frozen=True)
Score = Annotated[float, Field(ge=0, le=101)]


class ExtractionSettings(BaseModel):
    """How the base model is asked under a trait's instructions."""

    model_config = FROZEN

    rollouts: int = Field(default=10, ge=1, description="Answers per instruction and question.")
    temperature: float = Field(default=1.0, ge=0, description="0 is greedy.")
    max_new_tokens: int = Field(default=256, ge=1, description="Longest answer, in tokens.")


class FilterSettings(BaseModel):
    """Which rollouts a vector is made of. Each side is filtered on its own."""

    model_config = FROZEN

    positive: Score = Field(
        default=50, description="Least trait score of a positive rollout, 0 to 100."
    )
    negative: Score = Field(
        default=50, description="A negative rollout scores below this; 101 keeps all."
    )
    coherence: Score = Field(default=50, description="Least coherence of any rollout, 0 to 100.")


class SweepSettings(BaseModel):
    """The steering sweep over layers and strengths that chooses the layer."""

    model_config = FROZEN

    layers: tuple[Annotated[int, Field(ge=0)], ...] | None = Field(
        default=None, description="Layers tried: after block 0, 1, ...; null: all of them."
    )
    alphas: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        default=(0.5, 1.0, 1.5, 2.0, 3.0),
        min_length=1,
        description="Strengths tried, in lengths of the vector, along it and against it.",
    )
    positions: Literal["answer", "all"] = Field(
        default="answer",
        description="Where steering adds the vector, here and in steered arms: at the positions"
        " that predict the answer, or at all of them, the prompt's included.",
    )
    samples: int = Field(
        default=1, ge=1, description="Answers per extraction question, layer and strength."
    )
    max_incoherent: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Largest share of incoherent answers at the chosen strength.",
    )


class NullSettings(BaseModel):
    """The directions that a trait's vector must beat."""

    model_config = FROZEN

    draws: int = Field(
        default=500,
        ge=20,
        description="Covariance-shaped random directions, and label permutations.",
    )
    components: int = Field(default=10, ge=1, description="Top principal components.")


class PersonaSettings(BaseModel):
    """Persona vectors: extraction, layer choice, evaluation of every state, nulls."""

    model_config = FROZEN

    traits: tuple[str, ...] = Field(
        min_length=1,
        description="Trait files (config/traits/README.md); the first is the one that decides.",
    )
    extraction: ExtractionSettings = Field(
        default=ExtractionSettings(),
        description="How the base model is asked under a trait's instructions.",
    )
    filter: FilterSettings = Field(
        default=FilterSettings(),
        description="Which rollouts a vector is made of; each side is filtered on its own.",
    )
    sweep: SweepSettings = Field(
        default=SweepSettings(),
        description="The steering of the base that chooses the layer, on extraction questions.",
    )
    samples: int = Field(
        default=4, ge=1, description="Answers of every state to each evaluation question."
    )
    nulls: NullSettings = Field(
        default=NullSettings(),
        description="The directions that a trait's vector must beat.",
    )
    seed: int = Field(default=0, ge=0, description="Seed of rollouts, sweep and nulls.")


class RelapseSettings(BaseModel):
    """Fresh induction of repaired states: how soon does the misalignment come back?"""

    model_config = FROZEN

    stage: str = Field(
        default="em", description="The induction that is repeated, by its stage's name."
    )
    doses: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        default=(0, 5, 10, 20, 40),
        min_length=2,
        description="Optimizer steps after which is measured, rising from 0, at a constant rate.",
    )
    samples: int = Field(
        default=1,
        ge=1,
        description="Answers per question of the primary metric's probe at each dose.",
    )
