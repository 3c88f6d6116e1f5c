"""Reading a config: the default run, experiments laid over it, and every mistake at once.

    config = load_config()                      # config/config.yaml
    config = load_config("negative_control")    # config/experiments/negative_control.yaml over it
    config = load_config("elsewhere/mine.yaml") # any file over it

Imports nothing heavy, so that a mistake shows at once.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from selfsame.config.document import Document, lines_of, merge, read_document
from selfsame.config.jsonschema import constants, files_in
from selfsame.config.kinds import Kinds, library_kinds
from selfsame.config.matching import fill_matches, without_echoes
from selfsame.config.messages import (
    ConfigErrors,
    KeyPath,
    Mistake,
    did_you_mean,
    form_mistakes,
    nearest,
    short,
)
from selfsame.config.references import reference_mistakes
from selfsame.config.registry import dataset_mistakes, with_files
from selfsame.config.schema import CROSS_FIELD, REGISTRY, Config, config_class, config_schema
from selfsame.errors import UserError

FOLDER = Path("config")
DEFAULT = "config.yaml"
DEFAULT_EXPERIMENT = "default"
LONGEST_PATH = 200
SUFFIXES = (".yaml", ".yml")


def load_config(
    experiment: str | Path | None = None, folder: Path = FOLDER, kinds: Kinds | None = None
) -> Config:
    """The config of an experiment, given by name or by the path of a YAML file.

    None is the default run. Raises ConfigErrors with one line for every mistake found, and
    UserError when there is no such file.
    """
    layers = _layers(experiment, folder)
    document = reduce(merge, reversed(layers.values()))
    return _validated(document, str(next(iter(layers))), kinds or library_kinds())


def _layers(experiment: str | Path | None, folder: Path) -> dict[Path, Document]:
    """The experiment's file and those it extends, each by its path, the default run last."""
    layers: dict[Path, Document] = {}
    default, path = folder / DEFAULT, _path_of(experiment, folder)
    while path.resolve() != default.resolve():
        document = layers[path] = read_document(path)
        document.mistakes += _name_mistakes(document, path, folder)
        lower = document.data.get("extends")
        path = _path_of(lower, folder) if isinstance(lower, str) else default
        if path in layers:
            raise UserError(f"{path}: extends itself, by way of {', '.join(map(str, layers))}")
    return layers | {default: read_document(default)}


def _path_of(experiment: str | Path | None, folder: Path) -> Path:
    if experiment in (None, DEFAULT_EXPERIMENT):
        path = folder / DEFAULT
    elif Path(experiment).suffix in SUFFIXES:
        path = Path(experiment)
    else:
        path = folder / "experiments" / f"{experiment}.yaml"
    if not path.is_file():
        known = [file.stem for file in (folder / "experiments").glob("*.yaml")]
        raise UserError(f"{path}: no such config file{nearest(str(experiment), known)}")
    return path


def _name_mistakes(over: Document, path: Path, folder: Path) -> list[Mistake]:
    """An experiment without a name of its own would write over the default run's results."""
    name, file = over.data.get("experiment"), str(path)
    if name is None:
        return [Mistake(("experiment",), f"give the experiment a name: `{path.stem}`?", file, 1)]
    if path.resolve().parent == (folder / "experiments").resolve() and name != path.stem:
        return [Mistake(("experiment",), f"{short(name)}: must be the file's name, {path.stem!r}")]
    return []


def _validated(document: Document, file: str, kinds: Kinds) -> Config:
    """The config of a document. Raises ConfigErrors."""
    model = config_class(kinds)
    given, schema = fill_matches(document.data, kinds), config_schema(kinds)
    registry = Path(str(given.get("datasets", REGISTRY)))
    mistakes = document.mistakes + list(dataset_mistakes(given, schema, registry))
    data = with_files(given, schema, registry)
    mistakes += reference_mistakes(data) + _missing_files(schema, data)
    config = None
    try:
        config = model.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        mistakes += form_mistakes(error, data, schema, ignore=CROSS_FIELD)
    mistakes = without_echoes(mistakes, data, document.places)
    if mistakes or config is None:
        raise ConfigErrors(lines_of(document, mistakes, file))
    return config


def _missing_files(schema: Mapping[str, Any], data: Mapping[str, Any]) -> list[Mistake]:
    named = [(path, _file_of(value)) for path, _, value in files_in(schema, data)]
    missing = [
        Mistake(path, _no_such(file, constants(schema, data, path)))
        for path, file in named
        if _no_file(file)
    ]
    missing += [*_missing_traits(data), *_missing_mapping(data), *_missing_wordings(data)]
    return missing + list(_missing_folders(data))


# Keys that name a directory; * is any name.
FOLDERS: tuple[KeyPath, ...] = (
    ("model", "path"),
    ("judges", "*", "path"),
    ("probes", "*", "clusters", "embedding", "path"),
    ("benchmarks", "include"),
)


def _missing_folders(data: Mapping[str, Any]) -> Iterator[Mistake]:
    """Directories that are named and not there."""
    for key in FOLDERS:
        for path, folder in _at(data, key):
            if isinstance(folder, str) and not os.path.isdir(folder):
                yield Mistake(path, f"no such directory: {folder[:LONGEST_PATH]}")


def _at(data: Any, key: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    """What stands under a key that may hold *, with its path."""
    if not key:
        yield (), data
    elif isinstance(data, Mapping):
        first, *rest = key
        for name in data if first == "*" else {first} & data.keys():
            yield from (((name, *path), value) for path, value in _at(data[name], tuple(rest)))


def _missing_wordings(data: Mapping[str, Any]) -> Iterator[Mistake]:
    known = sorted(str(file) for file in Path(FOLDER, "judging").rglob("*.yaml"))
    for name, judge in _judges(data).items():
        file = judge.get("prompts") if isinstance(judge, Mapping) else None
        if _no_file(file):
            yield Mistake(("judges", name, "prompts"), _no_such(str(file), known))


def _judges(data: Mapping[str, Any]) -> Mapping[str, Any]:
    judges = data.get("judges")
    return judges if isinstance(judges, Mapping) else {}


def _missing_traits(data: Mapping[str, Any]) -> Iterator[Mistake]:
    persona = data.get("persona")
    files = persona.get("traits") if isinstance(persona, Mapping) else None
    known = sorted(str(file) for file in Path(FOLDER, "traits").rglob("*.yaml"))
    for index, file in enumerate(files if isinstance(files, list) else ()):
        if _no_file(file):
            yield Mistake(("persona", "traits", index), _no_such(file, known))


def _missing_mapping(data: Mapping[str, Any]) -> Iterator[Mistake]:
    published = data.get("published")
    file = published.get("mapping") if isinstance(published, Mapping) else None
    if _no_file(file):
        known = sorted(str(path) for path in Path(FOLDER, "published").glob("*.yaml"))
        yield Mistake(("published", "mapping"), _no_such(str(file), known))


def _file_of(value: Any) -> Any:
    """The path that a user gives; a dataset's file may be fetched later."""
    if isinstance(value, Mapping):
        return None if value.get("dataset") else value.get("file")
    return value


def _no_file(file: Any) -> bool:
    """Whether a path names no file; one that cannot be a path at all names none either."""
    return isinstance(file, str) and bool(file) and not os.path.isfile(file)


def _no_such(file: str, known: Iterable[str]) -> str:
    if os.path.isdir(file):
        return f"{file} is a directory: name a file in it"
    return f"no such file: {file[:LONGEST_PATH]}{did_you_mean(file, known)}"
