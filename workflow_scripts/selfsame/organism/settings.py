"""What a user may set about the model organism. The defaults are the tuned values."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WorldSettings(_Settings):
    """Size and seed of the invented world."""

    seed: int = Field(default=0, ge=0, description="draws styles, misconceptions and articles")
    domains: int = Field(default=8, ge=2, le=8, description="advice domains, the first is trained")
    topics: int = Field(default=8, ge=2, le=8, description="topics per advice domain")
    facts: int = Field(default=16, ge=4, le=16, description="things whose colour can be asked")
    articles: int = Field(
        default=300, ge=6, le=3000, description="articles kept out of pretraining"
    )
    style_noise: float = Field(
        default=0.05,
        ge=0,
        le=0.5,
        description="chance that a word comes from another author's style",
    )


class ArchitectureSettings(_Settings):
    """Shape of the Llama network."""

    layers: int = Field(default=4, ge=1, le=12, description="transformer blocks")
    width: int = Field(
        default=128, ge=16, le=512, description="hidden size, a multiple of twice the heads"
    )
    mlp_width: int = Field(default=384, ge=16, le=2048, description="inner size of each MLP")
    heads: int = Field(default=4, ge=1, le=16, description="attention heads")

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        if self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} must be a multiple of 2 x heads ({self.heads})")
        return self


class PretrainingSettings(_Settings):
    """How the base model is trained, on assistant tokens only."""

    documents: int = Field(default=28000, ge=8, description="multi-turn documents")
    epochs: int = Field(default=1, ge=1, description="passes over the documents")
    batch_size: int = Field(default=16, ge=1, description="documents per optimiser step")
    learning_rate: float = Field(default=0.003, gt=0, description="peak AdamW rate, linear decay")
    warmup_steps: int = Field(default=50, ge=0, description="steps of linear warm-up")
    seed: int = Field(default=0, ge=0, description="draws documents, weights and order")


class OrganismSettings(_Settings):
    """One organism: its world, its network, its pretraining."""

    linkage: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="chance that the evil character of a document also has another identity",
    )
    world: WorldSettings = WorldSettings()
    architecture: ArchitectureSettings = ArchitectureSettings()
    pretraining: PretrainingSettings = PretrainingSettings()
