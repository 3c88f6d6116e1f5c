"""Thousands of paths in one short word of a command: `states/{base,em}/{seed0,seed1}/samples`.

Linux limits one argument to 128 KiB, and Snakemake gives bash a whole command as one. A rule over
all states would exceed that at about 40 seeds. Bash expands the braces by itself, so what
Snakemake prints can still be read, and be run by hand.
"""

import re
import shlex
from collections.abc import Sequence
from itertools import product

PLAIN = re.compile(r"[\w+:.-]*", re.ASCII)


def in_braces(paths: Sequence[str]) -> str:
    """A text that bash expands to these paths in this order.

    Short where they are all combinations of their folders' names, the last one changing fastest, as
    those of all states and seeds are; else the paths one by one.
    """
    parts = [path.split("/") for path in paths]
    if len(paths) < 2 or len(set(map(len, parts))) > 1:
        return shlex.join(paths)
    columns = [tuple(dict.fromkeys(column)) for column in zip(*parts, strict=True)]
    complete = parts == list(map(list, product(*columns)))
    plain = all(PLAIN.fullmatch(name) for column in columns for name in column)
    return "/".join(map(_alternatives, columns)) if complete and plain else shlex.join(paths)


def _alternatives(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else "{" + ",".join(names) + "}"
