"""Write the contract's tables into docs/invalidation.md, between their markers.

Run: PYTHONPATH=tests:workflow_scripts python -m contract.document [--check]

The text around the tables is written by hand. With --check nothing is written, and the exit status
is 1 where the document is not up to date.
"""

import argparse
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from contract.table import (
    ASKING,
    EVERY,
    FINETUNES,
    KEYS,
    MODULES,
    OF_EXPERIMENT,
    TRAIT_KEYS,
    Keys,
    Rules,
)

TARGET = Path(__file__).resolve().parents[2] / "docs/invalidation.md"
SCOPES = {
    "stage": "of the stage and of those that match it",
    "probe": "of the probe",
    "trait": "of the trait",
    "judge": "of the judge",
    "kind": "of the stages or probes of that kind",
    "steered": "of states steered at inference",
}
GROUPS = {"*finetunes*": FINETUNES, "*asking*": ASKING}
KIND = re.compile(r"\[(\w+)\]")


def text() -> str:
    """The document as it should be."""
    tables = {"keys": key_table(KEYS), "traits": key_table(TRAIT_KEYS), "modules": module_table()}
    document = TARGET.read_text(encoding="utf-8")
    for name, lines in tables.items():
        head, tail = f"<!-- {name} -->", f"<!-- /{name} -->"
        before, _, rest = document.partition(head)
        document = "\n".join([f"{before}{head}", *lines, f"{tail}{rest.partition(tail)[2]}"])
    return document


def key_table(rows: Iterable[Keys]) -> Iterator[str]:
    """Keys, and the rules that run again because of them."""
    yield from ("| key | runs again | |", "|---|---|---|")
    for row in rows:
        new = f"new jobs of {said(row.new)}" if row.new else ""
        note = "; ".join(part for part in (new, row.note) if part)
        yield f"| {'; '.join(compressed(row.values))} | {said(row.rules)} | {note} |"


def module_table() -> Iterator[str]:
    """Modules, and the rules whose scripts import them."""
    yield from ("| module | runs again | |", "|---|---|---|")
    for row in MODULES:
        files = ", ".join(f"`{name.removeprefix('selfsame/')}`" for name in row.files)
        yield f"| {files} | {said(row.rules)} | {row.note} |"


def compressed(keys: Iterable[str]) -> Iterator[str]:
    """`prefix`.{a, b} in place of prefix.a, prefix.b; kinds likewise."""
    kinds: dict[str, list[str]] = {}
    for key in keys:
        kinds.setdefault(KIND.sub("[]", key), []).extend(KIND.findall(key))
    lasts: dict[str, list[str]] = {}
    for key, named in kinds.items():
        prefix, _, last = key.replace("[]", f"[{', '.join(named)}]").rpartition(".")
        lasts.setdefault(prefix, []).append(last)
    for prefix, found in lasts.items():
        name = found[0] if len(found) == 1 else f"{{{', '.join(found)}}}"
        yield f"`{f'{prefix}.{name}'.removeprefix('.')}`"


def said(rules: Rules) -> str:
    """Rules in words; groups of them by one name."""
    for group, name in ((EVERY, "everything"), (OF_EXPERIMENT, "everything but `fetch_dataset`")):
        if set(rules) == set(group):
            return name
    named, left = [], list(rules)
    for name, group in GROUPS.items():
        for scope in dict.fromkeys(rule.partition(":")[2] for rule in rules):
            own = [f"{rule}:{scope}".removesuffix(":") for rule in group]
            if set(own) <= set(left):
                named.append(words(name, scope))
                left = [rule for rule in left if rule not in own]
    rest = [words(f"`{rule}`", scope) for rule, _, scope in (r.partition(":") for r in left)]
    return ", ".join(named + rest) or "nothing"


def words(name: str, scope: str) -> str:
    """A rule, and which of its jobs."""
    return f"{name} ({SCOPES[scope]})" if scope else name


def main() -> None:
    """Write or check the document."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, fail on a difference")
    wanted = text()
    stale = TARGET.read_text(encoding="utf-8") != wanted
    if parser.parse_args().check and stale:
        sys.exit(f"not up to date: {TARGET}; run python -m contract.document")
    if stale:
        TARGET.write_text(wanted, encoding="utf-8")
        print(f"wrote {TARGET}")


if __name__ == "__main__":
    main()
