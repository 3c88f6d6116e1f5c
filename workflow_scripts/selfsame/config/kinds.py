"""Which kinds of stages and probes exist: the modules of two packages, each with its `Options`."""

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from pydantic import BaseModel

STAGES = "selfsame.stages"
PROBES = "selfsame.probes"


@dataclass(frozen=True)
class Kind:
    """What a config must know of a kind: its options, and in a sentence what it is."""

    options: type[BaseModel]
    summary: str


@dataclass(frozen=True, eq=False)
class Kinds:
    """Every stage kind and every probe kind by name."""

    stages: Mapping[str, Kind]
    probes: Mapping[str, Kind]


def discover(package: str) -> dict[str, Kind]:
    """The kinds of a package: its modules that hold an `Options` class, by module name."""
    folder = importlib.import_module(package).__path__
    names = sorted(module.name for module in pkgutil.iter_modules(folder))
    modules = {name: importlib.import_module(f"{package}.{name}") for name in names}
    return {
        name: Kind(module.Options, (module.__doc__ or "").split("\n\n")[0].replace("\n", " "))
        for name, module in modules.items()
        if hasattr(module, "Options")
    }


@cache
def library_kinds() -> Kinds:
    """The kinds that the library ships."""
    return Kinds(stages=discover(STAGES), probes=discover(PROBES))
