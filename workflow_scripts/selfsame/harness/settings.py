"""Which standard benchmarks every state is asked. Light imports only: the config reads this."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

TaskName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][\w.-]*$")]


class BenchmarkSettings(BaseModel):
    """The `benchmarks` part of the config."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tasks: tuple[TaskName, ...] = Field(
        min_length=1,
        description="Tasks or groups of tasks by their names in the harness: mmlu, arc_easy, ...",
    )
    include: str | None = Field(
        default=None,
        min_length=1,
        description="Folder with tasks of your own, as YAML files of the harness. They can run"
        " code: read them first.",
    )
    limit: int | None = Field(
        default=None, ge=1, description="Only the first so many questions of a task; null: all."
    )
    num_fewshot: int | None = Field(
        default=None, ge=0, description="Solved examples in a prompt; null: the task's own number."
    )
    chat_template: bool = Field(
        default=False,
        description="Ask through the chat template, under the model's system prompt; else the bare"
        " text, as most published figures are made.",
    )
    batch_tokens: int | None = Field(
        default=None,
        ge=1,
        description="Padded tokens read at a time, which changes rounding; null: as in sampling.",
    )

    @field_validator("tasks")
    @classmethod
    def _each_once(cls, tasks: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(tasks)) < len(tasks):
            raise ValueError("names a task twice")
        return tasks
