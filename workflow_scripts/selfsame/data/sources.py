"""How a config names a data file, and which rows that file must hold.

Light on purpose: the config's schema and the options of stages and probes import it. The readers
are in `selfsame.data.files`.
"""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

CONTENT = "x-content"


class FileSource(BaseModel):
    """A parquet, JSONL or CSV file. In a config the bare path may stand for the whole mapping."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    content: ClassVar[str] = "rows"

    file: str = Field(
        min_length=1,
        description="Path relative to the working directory; .parquet, .jsonl or .csv.",
    )
    where: dict[str, str] = Field(
        default_factory=dict,
        description="Keep only rows whose column has this value, e.g. {dataset: xsum}.",
    )
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="Column names in the file for the names expected, e.g. {article: document}.",
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
        schema[CONTENT] = cls.content
        return reference


class ArticlesFile(FileSource):
    """Articles: article_id, article and, where wanted, split (train or test)."""

    content: ClassVar[str] = "articles"


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
