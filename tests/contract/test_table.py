"""The table is complete: every config key, module and rule; and the docs are made of it."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from contract.document import TARGET, text
from contract.table import EVERY, KEYS, MODULES, TRAIT_KEYS
from contract.workspace import ROOT, Experiment
from selfsame.config.kinds import library_kinds
from selfsame.config.schema import config_schema
from selfsame.config.traits import TraitFile

Node = dict[str, Any]
TARGETS = {"all", "datasets"}  # rules that only ask for what others make
# Names that the table gives where any name could stand: the primary metric's probe, relapse.stage.
STANDING_FOR = {"probes.advice_outside.": "probes.*[free_form].", "stages.em.": "stages.*."}


def leaves(root: Node, node: Node, path: str = "") -> Iterator[str]:
    """Every key of a schema that holds a value; `*` is any name, `[kind]` one of that kind."""
    while "$ref" in node:
        node = root["$defs"][node["$ref"].rpartition("/")[2]]
    inner = list(parts(node, path))
    if entry := named(node):
        inner = [(entry, f"{path}.*")]
    if entry or (not inner and node.get("type") != "null"):
        yield path
    for part, place in inner:
        yield from leaves(root, part, place)


def parts(node: Node, path: str) -> Iterator[tuple[Node, str]]:
    """The schemas within a schema: of its kinds, of its keys, or of its alternatives."""
    if "discriminator" in node:
        for kind, target in node["discriminator"]["mapping"].items():
            yield {"$ref": target}, f"{path}[{kind}]"
    elif "properties" in node:
        for key, value in node["properties"].items():
            yield value, f"{path}.{key}".removeprefix(".")
    else:
        yield from ((branch, path) for branch in node.get("anyOf", node.get("oneOf", ())))


def named(node: Node) -> Node | None:
    """The schema of what the user gives by name (a stage, a probe); None for plain values."""
    found = [node.get("additionalProperties"), *node.get("patternProperties", {}).values()]
    return next(
        (n for n in found if isinstance(n, dict) and {"$ref", "discriminator"} & {*n}), None
    )


def config_keys() -> set[str]:
    """The config's keys; one that every kind of stage has, or of probe, counts once."""
    schema = dict(config_schema(library_kinds()))
    keys = set(leaves(schema, schema))
    keys = merged(keys, "stages", len(library_kinds().stages))
    return merged(keys, "probes", len(library_kinds().probes))


def merged(keys: set[str], section: str, kinds: int) -> set[str]:
    """Keys of all kinds of a section without the kind."""
    parted = {key: re.fullmatch(rf"{section}\.\*\[\w+\]\.(.+)", key) for key in keys}
    count = Counter(match[1] for match in parted.values() if match)
    return {
        f"{section}.*.{match[1]}" if match and count[match[1]] == kinds else key
        for key, match in parted.items()
    }


def listed_keys() -> set[str]:
    keys = {key for row in KEYS for key in row.values}
    for name, pattern in STANDING_FOR.items():
        keys = {key.replace(name, pattern) for key in keys}
    return keys


def test_every_config_key_is_in_the_table() -> None:
    assert listed_keys() == config_keys()


def test_every_key_of_a_trait_is_in_the_table() -> None:
    assert {key for row in TRAIT_KEYS for key in row.values} == set(TraitFile.model_fields)


def test_the_table_knows_every_rule(experiments: dict[str, Experiment]) -> None:
    files = [ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")]
    heads = [re.findall(r"^(?:use )?rule (?:\w+ as )?(\w+)", f.read_text(), re.M) for f in files]
    assert {name for found in heads for name in found} - TARGETS == set(EVERY)
    named = {rule.partition(":")[0] for row in (*KEYS, *MODULES) for rule in row.rules}
    assert named == set(EVERY)
    assert {job.rule for e in experiments.values() for job in e.ran.values()} == set(EVERY)


def test_the_documentation_is_made_of_the_table() -> None:
    assert TARGET.read_text(encoding="utf-8") == text(), "run `make format`"
