"""Looking things up in the config's JSON schema by the path of a key."""

from collections.abc import Iterator, Mapping
from typing import Any

from selfsame.data.sources import CONTENT

Schema = Mapping[str, Any]
KeyPath = tuple[str | int, ...]


def branches(root: Schema, node: Schema, value: Any) -> Iterator[Schema]:
    """The plain schemas that a value may follow: references resolved, unions opened.

    Of a union by `kind`, only the branch that the value names, if it names one; of one without,
    those that know a key of the value, if any do.
    """
    if "$ref" in node:
        yield from branches(root, root["$defs"][node["$ref"].rsplit("/", 1)[1]], value)
        return
    options = node.get("oneOf", node.get("anyOf"))
    if options is None:
        yield node
        return
    mapping = node.get("discriminator", {}).get("mapping", {})
    kind = value.get("kind") if isinstance(value, Mapping) else None
    if isinstance(kind, str) and kind in mapping:
        options = [{"$ref": mapping[kind]}]
    leaves = [leaf for option in options for leaf in branches(root, option, value)]
    knowing = [leaf for leaf in leaves if not mapping and _knows_a_key(leaf, value)]
    yield from knowing or leaves


def _knows_a_key(node: Schema, value: Any) -> bool:
    return isinstance(value, Mapping) and not value.keys().isdisjoint(node.get("properties", {}))


def below(node: Schema, key: str | int) -> Iterator[Schema]:
    """The schemas that a plain schema gives for one key or list place."""
    if isinstance(key, int):
        items = [*node.get("prefixItems", [])[key : key + 1], node.get("items")]
    elif key in node.get("properties", {}):
        items = [node["properties"][key]]
    else:
        items = [*node.get("patternProperties", {}).values(), node.get("additionalProperties")]
    yield from (item for item in items if isinstance(item, Mapping))


def child(value: Any, key: str | int) -> Any:
    """The value at a key or list place, None where there is none."""
    if isinstance(value, Mapping):
        return value.get(str(key))
    if isinstance(value, list | tuple) and isinstance(key, int) and key < len(value):
        return value[key]
    return None


def schemas_at(root: Schema, data: Any, path: KeyPath) -> list[Schema]:
    """The plain schemas that hold for the key at a path."""
    nodes = list(branches(root, root, data))
    for key in path:
        data = child(data, key)
        nodes = [
            leaf for node in nodes for n in below(node, key) for leaf in branches(root, n, data)
        ]
    return nodes


def allowed_keys(root: Schema, data: Any, path: KeyPath) -> list[str]:
    """The keys that the mapping at a path may hold by name."""
    nodes = schemas_at(root, data, path)
    return list(dict.fromkeys(key for node in nodes for key in node.get("properties", {})))


def constants(root: Schema, data: Any, path: KeyPath) -> list[Any]:
    """The fixed values that the key at a path may take."""
    nodes = schemas_at(root, data, path)
    found = [c for node in nodes for c in [*node.get("enum", []), node.get("const")]]
    return [constant for constant in dict.fromkeys(found) if constant is not None]


def files_in(root: Schema, data: Any) -> Iterator[tuple[KeyPath, str, Any]]:
    """Every data file that a config names: its key path, what it must hold, the value given."""
    yield from _files(root, branches(root, root, data), data, ())


def _files(
    root: Schema, nodes: Iterator[Schema], value: Any, path: KeyPath
) -> Iterator[tuple[KeyPath, str, Any]]:
    plain = list(nodes)
    content = next((node[CONTENT] for node in plain if CONTENT in node), None)
    fixed = [node.get("const") for node in plain]
    if content is not None and value is not None and value not in fixed:
        yield path, content, value
        return
    keys: list[str | int] = []
    if isinstance(value, Mapping):
        keys = [str(key) for key in value]
    elif isinstance(value, list | tuple):
        keys = list(range(len(value)))
    for key in keys:
        inner = child(value, key)
        leaves = (
            leaf for node in plain for n in below(node, key) for leaf in branches(root, n, inner)
        )
        yield from _files(root, leaves, inner, (*path, key))
