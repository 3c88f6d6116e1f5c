"""The registry of datasets: where each one's file is had from, and how it maps to our rows.

    registry = read_registry(Path("config/datasets.yaml"))

A config names a dataset in place of a file (`file: {dataset: unpop}`). Loading the config turns it
into the file that the rule fetch_dataset writes, `results/datasets/<name>/<name>.<format>`, with
the entry's where, columns, first and skip_blank under the config's own. docs/datasets.md says what
an entry holds.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from selfsame.config.document import lines_of, read_document
from selfsame.config.jsonschema import Schema, files_in
from selfsame.config.messages import ConfigErrors, KeyPath, Mistake, form_mistakes, nearest
from selfsame.config.names import NAME, SHA256
from selfsame.data.sources import FORMATS, FileSource
from selfsame.digests import MANIFEST, canonical, read_manifest
from selfsame.fetching.addresses import PLACES, file_name, unsafe

FETCHED = "results/datasets"  # shared by all experiments
COMMIT = re.compile(r"[0-9a-f]{40}")
LAID_OVER = ("where", "columns")  # key by key; the other options as a whole
AT_ODDS = "at_odds"  # keys that do not go together
FROZEN = ConfigDict(frozen=True, extra="forbid")

Content = Literal[
    "articles",
    "rival_texts",
    "chat_rows",
    "choice_questions",
    "questions",
    "statements",
    "scored_texts",
]
Name = Annotated[str, StringConstraints(pattern=NAME)]
Filled = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
Sha256 = Annotated[str, StringConstraints(pattern=SHA256)]
Spec = dict[str, Any]


def _safe(url: str) -> str:
    problem = unsafe(url)
    if problem:
        raise ValueError(problem)
    return url


class HubFile(BaseModel):
    """A file of a dataset on the Hugging Face hub."""

    model_config = FROZEN

    id: str = Field(
        pattern=r"^[\w.-]+(/[\w.-]+)?$", description="The dataset's name on the hub: owner/name."
    )
    revision: str = Field(
        pattern=r"^[\w.-]+(/[\w.-]+)*$", description="The commit; a branch only beside a sha256."
    )
    file: Filled = Field(description="Path of the file in there.")


class Entry(BaseModel):
    """One dataset: exactly one of hub, url and path."""

    model_config = FROZEN

    content: Content = Field(description="What its rows are: where a config may name it.")
    hub: HubFile | None = Field(default=None, description="A file on the Hugging Face hub.")
    url: Annotated[str, AfterValidator(_safe)] | None = Field(
        default=None, description="Address of the file; https only."
    )
    path: Filled | None = Field(
        default=None, description="A file of your own, relative to the working directory."
    )
    how: Filled | None = Field(
        default=None, description="How the file at `path` is had, said where it is missing."
    )
    format: Literal["parquet", "jsonl", "csv", "yaml"] | None = Field(
        default=None, description="The file's format, where its name does not end in it."
    )
    sha256: Sha256 | None = Field(
        default=None, description="Digest of the file; null: the first fetch tells it."
    )
    bytes: int | None = Field(default=None, ge=1, description="Size of the file.")
    rows: int | None = Field(
        default=None,
        ge=1,
        description="How many rows are kept, for plans made before it is fetched.",
    )
    licence: Filled = Field(description="Under which terms it may be used.")
    source: Filled = Field(description="Who made it, and where that is described.")
    where: dict[str, str | list[str]] = Field(
        default_factory=dict, description="As in a config: the rows that are kept."
    )
    columns: dict[str, str] = Field(
        default_factory=dict, description="As in a config: the file's names for ours."
    )
    first: int | None = Field(default=None, ge=1, description="As in a config: only so many rows.")
    skip_blank: bool = Field(
        default=False, description="As in a config: pass over rows with a blank text."
    )

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        problem = next(self._problems(), None)
        if problem:
            raise PydanticCustomError(AT_ODDS, "{problem}", {"problem": problem})
        return self

    def _problems(self) -> Iterator[str]:
        """What is wrong between the keys."""
        given = [place for place in PLACES if getattr(self, place) is not None]
        if len(given) != 1:
            yield f"give exactly one of {', '.join(PLACES)}, not {len(given)} of them"
        if self.how and self.path is None:
            yield "`how` says how the file at `path` is had; there is no `path`"
        if self.hub and self.sha256 is None and not COMMIT.fullmatch(self.hub.revision):
            yield "give the sha256, or as hub.revision the commit (40 hex digits)"
        if self.kind_of_file is None:
            yield "the file's name tells no format; give `format`"

    @property
    def kind_of_file(self) -> str | None:
        """The format, given or told by the file's name; None where neither is known."""
        named = self.path or (self.hub.file if self.hub else (self.url or "").partition("?")[0])
        return self.format or FORMATS.get(PurePosixPath(named).suffix.lower())

    def spec(self, name: str) -> Spec:
        """What fetching needs: all but how the rows are read."""
        kept = {*PLACES, "how", "sha256", "bytes", "licence", "source"}
        plain = self.model_dump(mode="json", include=kept)
        places = {key: plain.pop(key) for key in PLACES}
        given = {key: value for key, value in places.items() if value is not None}
        return {"name": name, "format": self.kind_of_file, **plain, **given}

    def file(self, name: str) -> str:
        """Where the rule fetch_dataset puts the file."""
        return f"{FETCHED}/{name}/{file_name(self.spec(name))}"


Registry = Mapping[str, Entry]
ENTRIES: TypeAdapter[dict[str, Entry]] = TypeAdapter(dict[Name, Entry])


def registry_schema() -> Schema:
    """The JSON schema of a registry file."""
    return ENTRIES.json_schema()


def read_registry(path: Path) -> Registry:
    """The entries of a registry file by name.

    Raises ConfigErrors with one line, `file:line: key: what is wrong`, for every mistake in it.
    """
    modified = path.stat().st_mtime_ns if path.is_file() else 0
    return _read_registry(path, modified)


@cache
def _read_registry(path: Path, _modified_ns: int) -> Registry:
    """Read once for all places that name a dataset; an edited file is another one."""
    document = read_document(path)
    entries: dict[str, Entry] = {}
    mistakes = list(document.mistakes)
    try:
        entries = ENTRIES.validate_json(json.dumps(document.data), strict=True)
    except ValidationError as error:
        mistakes += form_mistakes(error, document.data, registry_schema(), ignore=AT_ODDS)
        mistakes += [Mistake(e["loc"], e["msg"]) for e in error.errors() if e["type"] == AT_ODDS]
    mistakes = _without_echoes(document.mistakes, mistakes)
    if mistakes:
        raise ConfigErrors(lines_of(document, mistakes, str(path)))
    return entries


def _without_echoes(of_form: list[Mistake], mistakes: list[Mistake]) -> list[Mistake]:
    """What cannot be read at a key is told; not that it is no such value as well."""
    places = {mistake.path for mistake in of_form}
    return of_form + [mistake for mistake in mistakes if mistake.path not in places]


def with_files(data: Mapping[str, Any], schema: Schema, registry: Path) -> dict[str, Any]:
    """A config's plain data in which each dataset that is named has its file and options.

    Raises ConfigErrors with the registry's own mistakes; those in the config are told by
    `dataset_mistakes`.
    """
    filled = deepcopy(dict(data))
    for _, _, value in list(files_in(schema, filled)):
        if _names_dataset(value):
            name = str(value["dataset"])
            entry = read_registry(registry).get(name)
            value.update(_laid_over(entry, value) if entry else {"file": name})
    return filled


def _names_dataset(value: Any) -> bool:
    return isinstance(value, dict) and value.get("dataset") is not None


def _laid_over(entry: Entry, given: Mapping[str, Any]) -> dict[str, Any]:
    options = entry.model_dump(mode="json", include={*LAID_OVER, "first", "skip_blank"})
    for key in LAID_OVER:
        own = given.get(key, {})
        options[key] = {**options[key], **own} if isinstance(own, Mapping) else own
    others = {key: value for key, value in given.items() if key not in (*LAID_OVER, "file")}
    return {"file": entry.file(str(given["dataset"])), **options, **others}


def dataset_mistakes(data: Mapping[str, Any], schema: Schema, registry: Path) -> Iterator[Mistake]:
    """Datasets that the registry does not know, that hold something else, or beside a file."""
    for path, content, value in files_in(schema, data):
        if _names_dataset(value):
            yield from _mistakes(path, content, value, registry)


def _mistakes(
    path: KeyPath, content: str, value: Mapping[str, Any], registry: Path
) -> Iterator[Mistake]:
    entries, name = read_registry(registry), str(value["dataset"])
    place = (*path, "dataset")
    if value.get("file") is not None:
        yield Mistake(place, "`file` is given as well; give one of them")
    elif name not in entries:
        yield Mistake(place, f"{registry} has no dataset {name!r}{nearest(name, entries)}")
    elif entries[name].content != content:
        fitting = [key for key, entry in entries.items() if entry.content == content]
        yield Mistake(
            place,
            f"{name!r} holds {entries[name].content}, and {content} are wanted here"
            f"{nearest(name, fitting)}",
        )
    elif os.path.isdir(entries[name].path or ""):
        text = f"{entries[name].path} is a directory: name a file in it"
        yield Mistake(place, f"{registry}: {name}.path: {text}")


def there(source: FileSource, registry: Path) -> FileSource | None:
    """The source as it can be read now; None for a dataset that is still to be fetched.

    That is the user's own file, or the fetched one if it is what the registry means now.
    """
    if source.dataset is None:
        return source
    entry = read_registry(registry)[source.dataset]
    if entry.path and Path(entry.path).is_file():
        return source.model_copy(update={"file": entry.path})
    is_here = _is_fetched(entry, source.dataset) and Path(source.file).is_file()
    return source if is_here else None


def _is_fetched(entry: Entry, name: str) -> bool:
    manifest = Path(FETCHED, name, MANIFEST)
    if not manifest.is_file():
        return False
    return canonical(read_manifest(manifest)["spec"]) == canonical(entry.spec(name))
