"""Where the step cache lies and how large it may grow. Nothing here can change a result."""

from pydantic import BaseModel, ConfigDict, Field


class CacheSettings(BaseModel):
    """Finished steps, kept to be restored in this or any other checkout. Never changes a result."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = Field(default=True, description="Keep finished steps, and restore them.")
    shared: str = Field(
        default="~/.cache/selfsame",
        min_length=1,
        description="Folder that all nodes see; ~ and $VARIABLES are filled in where a step runs.",
    )
    node: str | None = Field(
        default=None,
        min_length=1,
        description="Folder on a node's own disk, asked first; base models are copied there too."
        " null: none.",
    )
    limit_gb: float = Field(
        default=20.0,
        gt=0,
        description="Largest size of each folder; what was not used for longest goes first.",
    )
    replies: str = Field(
        default="~/.cache/selfsame/replies",
        min_length=1,
        description="Folder that all nodes see, with every reply of a judge (docs/judges.md). It is"
        " kept whether or not steps are, and nothing in it is ever removed.",
    )
