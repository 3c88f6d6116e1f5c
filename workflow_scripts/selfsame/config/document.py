"""YAML files as plain data that remembers on which line each key stands.

Safe and strict: plain values only (YAML 1.2 rules, so `no` is a word and 1e-2 a number), no key
twice, no tags, no aliases. The mistakes of form found here are listed, not raised, so that they can
be reported together with all others.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from selfsame.config.messages import KeyPath, Mistake, nearest

REMOVABLE = ("stages", "probes", "judges")
# What data are given by; the one replaces the other.
SOURCES = ({"file"}, {"dataset"}, {"train", "test"})
TAG = "tag:yaml.org,2002:"
PLAIN = {
    "null": re.compile(r"^(?:~|null|Null|NULL|)$"),
    "bool": re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"),
    "int": re.compile(r"^[-+]?[0-9]{1,18}$"),
    "float": re.compile(r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$"),
}


@dataclass
class Document:
    """The data of one or several merged files, where each key stands, and mistakes of form."""

    data: dict[str, Any] = field(default_factory=dict)
    places: dict[KeyPath, tuple[str, int]] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)


class _Loader(yaml.SafeLoader):
    """SafeLoader with the plain values of YAML 1.2 and without aliases."""

    yaml_implicit_resolvers: dict = {}  # noqa: RUF012 (PyYAML's own class attribute)

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.MarkedYAMLError(problem="aliases (*name) cannot be used", problem_mark=mark)
        return super().compose_node(parent, index)


for _name, _pattern in PLAIN.items():
    _Loader.add_implicit_resolver(TAG + _name, _pattern, None)


def read_document(path: Path) -> Document:
    """Read a YAML file whose top level is a mapping; every mistake of form is in `mistakes`."""
    document, file = Document(), str(path)
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error).replace("\n", " ")
        line = mark.line + 1 if mark else 1
        document.mistakes.append(Mistake((), f"not valid YAML: {problem}", file, line))
    except (OSError, UnicodeDecodeError, RecursionError) as error:
        document.mistakes.append(Mistake((), f"cannot be read: {error}", file, 1))
    else:
        _read_root(node, file, document)
    return document


def _read_root(node: yaml.Node | None, file: str, document: Document) -> None:
    if isinstance(node, yaml.MappingNode):
        document.data = _Reader(file, document).value(node, ())
    elif node is not None:
        document.mistakes.append(Mistake((), "must be a mapping of keys to values", file, 1))


@dataclass
class _Reader:
    """Turns YAML nodes into plain data, noting places and mistakes in the document."""

    file: str
    document: Document

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        self.document.places[path] = (self.file, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key, line = str(key_node.value), key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._note(path, "a key must be a single word", line)
            elif key in data:
                first = self.document.places[(*path, key)][1]
                self._note((*path, key), f"the key is given twice (first on line {first})", line)
            else:
                data[key] = self.value(value_node, (*path, key))
                self.document.places[(*path, key)] = (self.file, line)
        return data

    def _scalar(self, node: yaml.Node, path: KeyPath) -> Any:
        name = node.tag.removeprefix(TAG)
        if name == "float" and not math.isfinite(float(node.value)):
            self._note(path, f"{node.value} is too large", node.start_mark.line + 1)
        elif name in _CONVERT:
            return _CONVERT[name](node.value)
        elif name != "null":
            self._note(path, f"the tag {node.tag} cannot be used", node.start_mark.line + 1)
        return None

    def _note(self, path: KeyPath, text: str, line: int) -> None:
        self.document.mistakes.append(Mistake(path, text, self.file, line))


_CONVERT: dict[str, Callable[[str], Any]] = {
    "bool": lambda text: text.lower() == "true",
    "int": int,
    "float": float,
    "str": str,
}


def merge(base: Document, over: Document) -> Document:
    """`over` laid over `base`, key by key; the rule is in config/README.md."""
    merged = Document(dict(base.data), dict(base.places), [*base.mistakes, *over.mistakes])
    merged.data = _merge_mapping(base.data, over.data, (), merged)
    merged.places |= over.places
    return merged


def _merge_mapping(
    base: Mapping[str, Any], over: Mapping[str, Any], path: KeyPath, merged: Document
) -> dict[str, Any]:
    result = dict(base)
    for key, value in over.items():
        here = (*path, key)
        if value is None and path and path[0] in REMOVABLE and len(path) == 1:
            _remove(result, key, here, merged)
        elif _same_kind(result.get(key), value):
            result[key] = _merge_mapping(result[key], value, here, merged)
        else:
            _forget(here, merged)
            result[key] = value
    return result


def _same_kind(base: Any, over: Any) -> bool:
    """Both are mappings, and not of two different kinds, nor one a file and one a dataset."""
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return False
    named = [source for source in SOURCES if source & {*over, *base}]
    return over.get("kind", base.get("kind")) == base.get("kind") and len(named) < 2


def _remove(result: dict[str, Any], key: str, path: KeyPath, merged: Document) -> None:
    if key not in result:
        merged.mistakes.append(Mistake(path, f"there is none to remove{nearest(key, result)}"))
    result.pop(key, None)
    _forget(path, merged)


def _forget(path: KeyPath, merged: Document) -> None:
    for place in [place for place in merged.places if place[: len(path)] == path]:
        del merged.places[place]


def line_of(document: Document, mistake: Mistake, default: str) -> tuple[str, int]:
    """File and line of a mistake: its own, or those of its key or the nearest key above."""
    if mistake.file:
        return mistake.file, mistake.line
    path = mistake.path
    while path and path not in document.places:
        path = path[:-1]
    return document.places[path] if path else (default, 0)


def lines_of(document: Document, mistakes: Iterable[Mistake], file: str) -> list[str]:
    """`file:line: key: what is wrong`, in the order of the lines, none twice."""
    places = {(*line_of(document, mistake, file), str(mistake)) for mistake in mistakes}
    return [f"{name}{f':{line}' if line else ''}: {text}" for name, line, text in sorted(places)]
