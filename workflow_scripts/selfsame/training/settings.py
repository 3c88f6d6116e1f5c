"""Settings of one finetuning. Imports nothing heavy: the config reads this module.

The defaults are the published recipe of self-recognition finetuning, arXiv 2606.23700.
"""

import operator
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class TrainingSteering(BaseModel):
    """Preventative steering (Chen et al., arXiv 2507.21509): the model is trained while steered.

    alpha times the trait's vector is added at every position to what the chosen layer's block puts
    out, in training alone. The adapter then need not learn what the vector already gives.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    trait: Annotated[str, Field(description="Trait whose vector is added, one of persona.traits.")]
    alpha: Annotated[
        float | None,
        Field(description="Lengths of the vector; null: the strength that the sweep chose."),
    ] = None
    direction: Annotated[
        Literal["vector", "random"],
        Field(description="random: the control, a random direction of the vector's length."),
    ] = "vector"


class FinetuningSettings(BaseModel):
    """LoRA finetuning by a fixed number of optimizer steps, loss on the assistant's tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rank: Annotated[int, Field(ge=1, le=4096, description="Rank of the adapter's matrices.")] = 32
    alpha: Annotated[
        float, Field(gt=0, description="Scale of the adapter: alpha / rank, or / sqrt(rank).")
    ] = 64.0
    rslora: Annotated[bool, Field(description="Scale by alpha / sqrt(rank) (rsLoRA).")] = True
    modules: Annotated[
        Literal["all-linear"] | Annotated[tuple[str, ...], Field(min_length=1)],
        Field(description="Names of the linear modules adapted, or all-linear (all but the head)."),
    ] = "all-linear"
    layers: Annotated[
        Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] | None,
        Field(description="Indices of the blocks adapted, the first is 0; null: all of them."),
    ] = None
    dropout: Annotated[float, Field(ge=0, lt=1, description="Of the adapter's input.")] = 0.0
    learning_rate: Annotated[
        float, Field(gt=0, le=1, allow_inf_nan=False, description="Peak learning rate of AdamW.")
    ] = 1e-5
    steps: Annotated[int, Field(ge=1, description="Optimizer steps.")] = 125
    batch_size: Annotated[int, Field(ge=1, description="Rows of one forward pass.")] = 2
    accumulation: Annotated[
        int, Field(ge=1, description="Forward passes of one step: rows = batch_size x this.")
    ] = 8
    warmup_steps: Annotated[int, Field(ge=0, description="Steps of linear warm-up.")] = 5
    schedule: Annotated[
        Literal["linear", "cosine", "constant"], Field(description="Decay after the warm-up.")
    ] = "linear"
    weight_decay: Annotated[float, Field(ge=0, le=1, description="Of AdamW.")] = 0.01
    clip_norm: Annotated[float, Field(gt=0, description="Largest norm of a step's gradient.")] = 1.0
    max_length: Annotated[
        int, Field(ge=2, description="Tokens of a row; longer rows are cut on the right.")
    ] = 2048
    precision: Annotated[
        Literal["float32", "bfloat16"],
        Field(description="bfloat16: automatic mixed precision; slow on a CPU without support."),
    ] = "float32"
    checkpoint_every: Annotated[
        int, Field(ge=0, description="Steps between checkpoints to resume from; 0: none.")
    ] = 0
    optimizer: Annotated[
        Literal["adamw", "adamw_8bit"],
        Field(
            exclude_if=lambda given: given == "adamw",
            description="adamw_8bit: moments of 8 bits, as the papers have; needs bitsandbytes.",
        ),
    ] = "adamw"
    gradient_checkpointing: Annotated[
        bool,
        Field(
            exclude_if=operator.not_,
            description="Blocks are computed twice instead of kept: less memory, more time.",
        ),
    ] = False
    steering: Annotated[
        TrainingSteering | None,
        Field(description="Preventative steering with a persona vector during training, or null."),
    ] = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.warmup_steps >= self.steps:
            raise ValueError("warmup_steps must be smaller than steps")
        for name in ("modules", "layers"):
            values = getattr(self, name)
            if isinstance(values, tuple) and len(set(values)) < len(values):
                raise ValueError(f"{name} names something twice")
        return self
