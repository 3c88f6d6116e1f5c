"""Write what follows from the config's models: the JSON schemas and the comments in config.yaml.

Run: python -m selfsame.config.generate [--check] [--folder config]

The values in config/config.yaml are the user's and stay as they are; the comments above the keys
are the models' descriptions and are written anew. With --check nothing is written, and the exit
status is 1 if a file is not up to date.
"""

import argparse
import json
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from selfsame.config.document import REMOVABLE, read_document
from selfsame.config.jsonschema import Schema, below, branches, constants, schemas_at
from selfsame.config.kinds import Kinds, library_kinds
from selfsame.config.load import DEFAULT, FOLDER
from selfsame.config.messages import ConfigErrors, KeyPath
from selfsame.config.registry import registry_schema
from selfsame.config.schema import config_schema

SCHEMA = "schema.json"
DATASETS_SCHEMA = "datasets.schema.json"
HEAD = """\
# yaml-language-server: $schema=schema.json
#
# The default run. Change values here, or put what differs into experiments/<name>.yaml.
# The comments are the settings' own descriptions: `python -m selfsame.config.generate` writes them.
"""
WIDTH = 100


def schema_text(kinds: Kinds) -> str:
    """The JSON schema for editors, of config.yaml and of experiments alike.

    An experiment gives only what differs, so no key is required, and null removes a stage or probe.
    """
    schema = _lenient(config_schema(kinds))
    for section in REMOVABLE:
        node = schema["properties"][section]
        for key in {"additionalProperties", "patternProperties"} & node.keys():
            node[key] = _or_null(node[key], key == "patternProperties")
    return _text(schema)


def _text(schema: Schema) -> str:
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def _or_null(node: dict[str, Any], by_pattern: bool) -> dict[str, Any]:
    if by_pattern:
        return {pattern: _or_null(entry, False) for pattern, entry in node.items()}
    return {"anyOf": [node, {"type": "null"}]}


def _lenient(node: Any) -> Any:
    """A schema in which nothing is required, so that several branches of a union may fit."""
    if isinstance(node, list):
        return [_lenient(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {key: value for key, value in node.items() if not _is_list(key, "required", value)}
    return {"anyOf" if _is_list(k, "oneOf", v) else k: _lenient(v) for k, v in kept.items()}


def _is_list(key: str, keyword: str, value: Any) -> bool:
    """The keyword itself, not a setting that bears its name."""
    return key == keyword and isinstance(value, list)


def config_text(path: Path, kinds: Kinds) -> str:
    """The config at `path` with each setting's description above its first occurrence.

    Raises ConfigErrors when the file is not sound YAML.
    """
    document = read_document(path)
    if document.mistakes:
        raise ConfigErrors([f"{m.file}:{m.line}: {m}" for m in document.mistakes])
    writer = _Writer(config_schema(kinds), document.data)
    return HEAD + "\n".join(writer.mapping(document.data, ())) + "\n"


class _Writer:
    """Writes plain data as YAML, explaining each key once."""

    def __init__(self, schema: Schema, data: Mapping[str, Any]) -> None:
        self.schema = schema
        self.data = data
        self.explained: set[str] = set()

    def mapping(self, value: Mapping[str, Any], path: KeyPath) -> Iterator[str]:
        """The lines of a mapping, one key after the other."""
        for key, item in value.items():
            if not path:
                yield ""
            yield from self._comment((*path, key))
            yield from self._entry(key, item, (*path, key))

    def _comment(self, path: KeyPath) -> Iterator[str]:
        text = self._description(path)
        if text and text not in self.explained:
            self.explained.add(text)
            head = "  " * (len(path) - 1) + "# "
            yield from textwrap.wrap(text, WIDTH, initial_indent=head, subsequent_indent=head)

    def _entry(self, key: str, value: Any, path: KeyPath) -> Iterator[str]:
        indent = "  " * (len(path) - 1)
        line = f"{indent}{key}: {_flow(value)}"
        if isinstance(value, Mapping) and value and (self._news(value, path) or len(line) > WIDTH):
            yield f"{indent}{key}:"
            yield from self.mapping(value, path)
        elif isinstance(value, list) and len(line) > WIDTH:
            yield f"{indent}{key}:"
            yield from (f"{indent}  - {_flow(item)}" for item in value)
        else:
            yield line

    def _news(self, value: Any, path: KeyPath) -> bool:
        """Some key in here has not been explained yet."""
        if not isinstance(value, Mapping):
            return False
        texts = {self._description((*path, key)) for key in value} - {""}
        return not texts <= self.explained or any(
            self._news(item, (*path, key)) for key, item in value.items()
        )

    def _description(self, path: KeyPath) -> str:
        """What the schema says of a key, and the values it may take where they are few."""
        parents = schemas_at(self.schema, self.data, path[:-1])
        nodes = [node for parent in parents for node in below(parent, path[-1])]
        value = self._value(path)
        nodes += [leaf for node in nodes for leaf in branches(self.schema, node, value)]
        text = next((node["description"] for node in nodes if "description" in node), "")
        if text and not text.endswith((".", "?")):
            text += "."
        known = constants(self.schema, None, path)
        leaves = schemas_at(self.schema, None, path)
        is_closed = all("const" in leaf or "enum" in leaf for leaf in leaves)
        choice = f"One of: {', '.join(map(str, known))}." if is_closed and len(known) > 1 else ""
        return f"{text} {choice}".strip()

    def _value(self, path: KeyPath) -> Any:
        value: Any = self.data
        for key in path:
            value = value[key]
        return value


def _flow(value: Any) -> str:
    text = yaml.safe_dump(
        value, default_flow_style=True, width=float("inf"), sort_keys=False, allow_unicode=True
    )
    return text.strip().removesuffix("...").strip()


def main() -> None:
    """Write or check the generated files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, fail on a difference")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    stale = [path for path, text in generated(arguments.folder) if _differs(path, text)]
    if arguments.check and stale:
        names = ", ".join(map(str, stale))
        sys.exit(f"not up to date: {names}; run python -m selfsame.config.generate")
    for path, text in generated(arguments.folder):
        if path in stale:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path}")


def generated(folder: Path) -> list[tuple[Path, str]]:
    """The generated files of a config folder and what each must hold."""
    kinds = library_kinds()
    config = folder / DEFAULT
    return [
        (folder / SCHEMA, schema_text(kinds)),
        (folder / DATASETS_SCHEMA, _text(registry_schema())),
        (config, config_text(config, kinds)),
    ]


def _differs(path: Path, text: str) -> bool:
    return not path.exists() or path.read_text(encoding="utf-8") != text


if __name__ == "__main__":
    main()
