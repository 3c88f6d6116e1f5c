"""What a config says of published answers, and what a mapping file says of a publication.

Light imports only: the config's schema uses it. config/published/README.md explains the keys.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.json_schema import SkipJsonSchema

from selfsame.config.names import CHAIN, NAME
from selfsame.data.sources import FileSource
from selfsame.published.states import OWN
from selfsame.statistics.settings import BASE

TRUTHFULQA = "config/published/truthfulqa_binary.yaml"
INDUCTION = "induction"  # in a contrast: any stage of `inductions`, or ours of that kind

FROZEN = ConfigDict(frozen=True, extra="forbid")
Name = Annotated[str, StringConstraints(pattern=NAME)]
Chain = Annotated[str, StringConstraints(pattern=CHAIN)]
Text = Annotated[str, StringConstraints(min_length=1)]
# As printed: the number of decimals says to how many digits it must agree.
Printed = Annotated[str, StringConstraints(pattern=r"^\d+(\.\d+)?$")]


class PublishedSettings(FileSource):
    """Per-question answers that others published: model, condition, seed, question_id, answer,
    is_correct.
    """

    content: ClassVar[str] = "published_answers"

    # The whole file is read: what picks rows of a dataset has no place here.
    dataset: SkipJsonSchema[None] = None
    first: SkipJsonSchema[None] = None
    skip_blank: SkipJsonSchema[Literal[False]] = False  # type: ignore[assignment]
    mapping: Text = Field(
        default=TRUTHFULQA,
        description="What the publication's conditions are in our terms, and its contrasts.",
    )
    probe: Name | None = Field(
        default=None,
        description="Our probe of kind choice to set beside it; null: the one that the mapping"
        " names, where there is one.",
    )


class Letters(BaseModel):
    """The answers that occur: valid ones, and what an answer that could not be read is called."""

    model_config = FROZEN

    valid: tuple[Text, ...] = Field(min_length=1)
    invalid: Text


class Condition(BaseModel):
    """One condition as a chain of ours; `system` holds each stage's variant, joined by +."""

    model_config = FROZEN

    chain: Chain
    system: Chain | None = None

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages in training order; none of the base."""
        return () if self.chain == BASE else tuple(self.chain.split("+"))

    @property
    def variants(self) -> tuple[str, ...]:
        """The variant of each stage."""
        return tuple(self.system.split("+")) if self.system else (OWN,) * len(self.stages)


class Pattern(BaseModel):
    """A contrast of the grid: every chain of this form against every control of that form."""

    model_config = FROZEN

    name: Name
    title: Text
    chain: Chain
    control: Chain


class PrintedCell(BaseModel):
    """Figures as printed elsewhere, in percent: mean and sd over runs, share of invalid answers."""

    model_config = FROZEN

    model: Text
    condition: Text
    mean: Printed
    sd: Printed | None = None
    invalid: Printed | None = None


class Publication(BaseModel):
    """What a mapping file holds."""

    model_config = FROZEN

    title: Text = Field(description="Authors and title.")
    source: Text = Field(description="Where the paper and the answers are to be found.")
    measure: Text = Field(description="What was asked.")
    probe: Name = Field(description="What tables call it; ours of that name is set beside it.")
    answers: Letters = Field(description="The values of the column answer.")
    shared_seeds: bool = Field(
        description="A later stage's run of seed n started from the earlier stage's run of seed n."
    )
    models: dict[str, Text] = Field(min_length=1, description="The models' full names.")
    systems: dict[Name, Text] = Field(description="Variants of a stage's system message.")
    inductions: dict[Name, Text] = Field(description="Stages that induce misalignment.")
    stages: dict[Name, Text] = Field(description="Other stages, called as our kinds are.")
    conditions: dict[str, Condition] = Field(min_length=1, description="What each one trained.")
    contrasts: tuple[Pattern, ...] = Field(min_length=1, description="The grid.")
    printed: tuple[PrintedCell, ...] = Field(default=(), description="Figures to reproduce.")
