"""How answers are told apart by what they say. Light imports only: the config reads this module."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

FROZEN = ConfigDict(frozen=True, extra="forbid")
THRESHOLDS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)


class ModelEmbedding(BaseModel):
    """The mean hidden state of a Hugging Face chat model over the text, after its last block."""

    model_config = FROZEN

    path: str = Field(
        min_length=1, description="Directory with config.json, safetensors and tokenizer."
    )


class ClusterSettings(BaseModel):
    """Which answers count as the same, by the cosine of their embeddings."""

    model_config = FROZEN

    embedding: Literal["hashing"] | ModelEmbedding = Field(
        default="hashing",
        union_mode="left_to_right",
        description="hashing (letter sequences, needs no model), or {path: ...}, a model whose mean"
        " hidden state is taken",
    )
    thresholds: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(
        default=THRESHOLDS,
        min_length=1,
        description="answers with at least this cosine are of one cluster; each is counted",
    )

    @property
    def kind(self) -> str:
        """The module of `selfsame.embedding` that makes the embedding."""
        return "model" if isinstance(self.embedding, ModelEmbedding) else "hashing"
