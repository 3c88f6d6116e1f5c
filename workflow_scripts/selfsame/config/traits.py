"""Traits as data: one YAML file gives a trait's instructions, questions and judge.

    trait = read_trait(Path("config/traits/organism/evil.yaml"))

config/traits/README.md says what each key means. Imports nothing heavy, so that a mistake shows at
once.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from selfsame.config.document import Document, line_of, read_document
from selfsame.config.messages import (
    ConfigErrors,
    KeyPath,
    Mistake,
    dotted,
    form_mistakes,
    nearest,
    short,
)
from selfsame.config.names import NAME, RULES
from selfsame.data.wording import SLOT, fill
from selfsame.errors import UserError
from selfsame.judging.trait import NAMES_SLOT, Judge, WordsJudge, no_mapping
from selfsame.persona.questions import SIDES

QUESTIONS = ("extraction_questions", "evaluation_questions")
NAME_SLOT = "{name}"
RESERVED = "random"  # the direction of a steering control
CROSS_TEXT = "cross_text"


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("give a text that is not blank")
    return text


Text = Annotated[str, BeforeValidator(no_mapping), AfterValidator(_not_blank)]
Texts = Annotated[tuple[Text, ...], Field(min_length=1)]


class TraitFile(BaseModel):
    """What a trait file holds. Every instruction and every question stands in it once."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: Text
    positive: Texts = Field(description="System instructions that bring the trait out.")
    negative: Texts = Field(description="System instructions that keep it away.")
    extraction_questions: Texts = Field(description="Asked of the base model for the vector.")
    evaluation_questions: Texts = Field(description="Asked of every state; none of the others.")
    judge: Judge = Field(description="How an answer's trait and coherence are scored, 0 to 100.")

    @model_validator(mode="after")
    def _texts_agree(self) -> Self:
        mistakes = list(_text_mistakes(self.model_dump(mode="json")))
        if mistakes:
            text = "; ".join(str(mistake) for mistake in mistakes)
            raise PydanticCustomError(CROSS_TEXT, "{text}", {"text": text})
        return self


def _trait_name(name: str) -> str:
    if not re.fullmatch(NAME, name):
        raise ValueError(RULES[NAME])
    if name == RESERVED:
        raise ValueError(f"`{RESERVED}` is the random direction of steering controls; rename it")
    return name


class Trait(TraitFile):
    """A trait file's content with the name that its stem gives; `file` is for messages."""

    name: Annotated[str, AfterValidator(_trait_name)]
    file: str = ""

    @property
    def source(self) -> str:
        """What a message calls the trait: its file, or its name where it came from none."""
        return self.file or self.name


def read_trait(path: Path) -> Trait:
    """Read a trait file.

    Raises ConfigErrors with one line, `file:line: key: what is wrong`, for every mistake in it.
    """
    document = read_document(path)
    form, mistakes = None, document.mistakes + _name_mistakes(path)
    if document.data or not document.mistakes:
        mistakes += _text_mistakes(document.data)
        try:
            form = TraitFile.model_validate_json(json.dumps(document.data), strict=True)
        except ValidationError as error:
            schema = TraitFile.model_json_schema()
            mistakes += form_mistakes(error, document.data, schema, ignore=CROSS_TEXT)
    if mistakes or form is None:
        raise ConfigErrors(_lines(document, mistakes, path))
    return Trait(name=path.stem, file=str(path), **dict(form))


def _name_mistakes(path: Path) -> list[Mistake]:
    try:
        _trait_name(path.stem)
    except ValueError as error:
        text = f"the file's name {path.stem!r} is the trait's name: {error}"
        return [Mistake((), text, str(path), 1)]
    return []


def _lines(document: Document, mistakes: Sequence[Mistake], path: Path) -> list[str]:
    """`file:line: key: what is wrong` in the order of the lines; a missing key is at line 1."""
    places = [(*line_of(document, mistake, str(path)), str(mistake)) for mistake in mistakes]
    return [f"{file}:{line or 1}: {text}" for file, line, text in sorted(set(places))]


def _text_mistakes(data: Mapping[str, Any]) -> Iterator[Mistake]:
    """Texts given twice, and slots that nothing fills, in data of any form."""
    yield from _repeated(data, SIDES)
    yield from _repeated(data, QUESTIONS)
    for path, text in _texts(data, SIDES):
        for slot in set(SLOT.findall(text)) - {"name"}:
            yield Mistake(path, f"{{{slot}}}: unknown slot{nearest(slot, ['name'])}")
    for path, text in _texts(data, QUESTIONS):
        if NAME_SLOT in text or NAMES_SLOT in text:
            yield Mistake(path, f"{short(text)}: {NAME_SLOT} is filled in instructions only")


def _repeated(data: Mapping[str, Any], keys: Sequence[str]) -> Iterator[Mistake]:
    first: dict[str, KeyPath] = {}
    for path, text in _texts(data, keys):
        earlier = first.setdefault(" ".join(text.casefold().split()), path)
        if earlier != path and text.strip():
            where = dotted(earlier)
            yield Mistake(path, f"{short(text)}: stands at {where} already; give another text")


def _texts(data: Mapping[str, Any], keys: Sequence[str]) -> Iterator[tuple[KeyPath, str]]:
    """The texts in the lists at these keys, each with its path; other values are passed over."""
    for key in keys:
        values = data.get(key)
        for index, text in enumerate(values if isinstance(values, list) else ()):
            if isinstance(text, str):
                yield (key, index), text


def check_names(trait: Trait, names: Sequence[str]) -> None:
    """Raises UserError where the trait uses {name} or {names} and the model has no names."""
    uses = [
        path for path, text in _texts(trait.model_dump(mode="json"), SIDES) if NAME_SLOT in text
    ]
    if isinstance(trait.judge, WordsJudge):
        lists = {"present": trait.judge.present, "absent": trait.judge.absent}
        uses += [("judge", key) for key, entries in lists.items() if NAMES_SLOT in entries]
    if uses and not names:
        raise UserError(
            f"{trait.source}: {dotted(uses[0])}: uses the model's names, and it has none;"
            " give them in the config's model.names"
        )


def fill_name(trait: Trait, names: Sequence[str]) -> Trait:
    """The trait with the model's first name for {name} in its instructions.

    Raises UserError as `check_names` does. A name's own braces mean nothing.
    """
    check_names(trait, names)
    if not names:
        return trait
    filled = {
        side: tuple(fill(text, name=names[0]) for text in getattr(trait, side)) for side in SIDES
    }
    return trait.model_copy(update=filled)
