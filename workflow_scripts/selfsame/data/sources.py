"""How a config names a data file, and which rows that file must hold.

Light on purpose: the config's schema and the options of stages and probes import it. The readers
are in `selfsame.data.files`.
"""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

CONTENT = "x-content"
# What a file's ending says of its format; yaml is for questions (selfsame.data.question_yaml).
FORMATS = {
    ".parquet": "parquet",
    ".jsonl": "jsonl",
    ".csv": "csv",
    ".yaml": "yaml",
    ".yml": "yaml",
}
# Key of a question's reference under which templates for a judge model stand, by criterion.
JUDGE_PROMPTS = "judge_prompts"


def _is_unset(value: Any) -> bool:
    """Leaves a key out of specs where it has its neutral value."""
    return value is None or value is False


PLAIN = "plain"  # the frame of a question that is asked for its own sake


class FileSource(BaseModel):
    """A data file, or in a config the name of a dataset, which the loader turns into its file.

    In a config the bare path may stand for the whole mapping.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    content: ClassVar[str] = "rows"

    file: str = Field(
        min_length=1,
        description="Path relative to the working directory; .parquet, .jsonl, .csv, or .yaml for"
        " questions.",
    )
    dataset: str | None = Field(
        default=None,
        exclude_if=_is_unset,
        description="In place of `file`, a name of the registry of datasets (docs/datasets.md);"
        " the other keys are laid over those that stand there.",
    )
    where: dict[str, str | list[str]] = Field(
        default_factory=dict,
        description="Keep only rows whose column has this value, e.g. {dataset: xsum}, or one of"
        " several, [xsum, cnn].",
    )
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="Column names in the file for the names expected, e.g. {article: document}.",
    )
    first: int | None = Field(
        default=None,
        ge=1,
        exclude_if=_is_unset,
        description="Only so many rows: the first that are kept; null: all.",
    )
    skip_blank: bool = Field(
        default=False,
        exclude_if=_is_unset,
        description="Pass over rows in which one of `columns` is blank, and count them; else such"
        " a row is a mistake.",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_path(cls, value: Any) -> Any:
        return {"file": value} if isinstance(value, str) else value

    def __hash__(self) -> int:
        return hash(self.model_dump_json())

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        reference = handler(core_schema)
        schema = handler.resolve_ref_schema(reference)
        schema["type"] = ["object", "string"]
        schema.pop("required")  # `file` or `dataset`
        schema[CONTENT] = cls.content
        return reference


class ArticlesFile(FileSource):
    """Articles: article_id, article and, where wanted, split (train or test)."""

    content: ClassVar[str] = "articles"


class ArticlesBySplit(BaseModel):
    """One source of articles for training, and another one for tests."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    train: ArticlesFile = Field(description="Articles whose texts are trained on.")
    test: ArticlesFile = Field(description="Articles for the recognition probes; never trained on.")


class RivalTextsFile(FileSource):
    """Texts by other authors: article_id, author, text (or summary)."""

    content: ClassVar[str] = "rival_texts"


class ChatRowsFile(FileSource):
    """Chat rows to train on: messages, the last one the assistant's; row_id where wanted."""

    content: ClassVar[str] = "chat_rows"


class ChoiceQuestionsFile(FileSource):
    """Two-way questions: question, correct, incorrect; item where wanted."""

    content: ClassVar[str] = "choice_questions"


class QuestionsFile(FileSource):
    """Open questions: question or messages (the last one the user's); item where wanted."""

    content: ClassVar[str] = "questions"


class StatementsFile(FileSource):
    """Two-way questions with the situation they are asked in: `frame`, which is plain or another.

    Beside it question, correct, incorrect, and cluster: the fact that is asked for.
    """

    content: ClassVar[str] = "statements"


class ScoredTextsFile(FileSource):
    """Texts to be scored: messages (the last one the assistant's) or text; item where wanted."""

    content: ClassVar[str] = "scored_texts"
