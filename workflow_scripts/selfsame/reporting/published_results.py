"""Published answers and ours to the same questions, as the report reads them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from selfsame.published.accounts import ALL, VALID

CONTRAST = ["experiment", "model", "contrast", "chain", "control"]


@dataclass(frozen=True)
class PublishedResults:
    """Tables of selfsame.tables.published; `publication` is what the mapping file says.

    Ours (`own_levels`, `own_contrasts`) are empty where the experiment asked no such questions.
    """

    publication: Mapping[str, Any]
    states: pd.DataFrame
    levels: pd.DataFrame
    contrasts: pd.DataFrame
    printed: pd.DataFrame
    own_levels: pd.DataFrame
    own_contrasts: pd.DataFrame

    @property
    def titles(self) -> Mapping[str, str]:
        """What each contrast of the grid compares."""
        return {pattern["name"]: pattern["title"] for pattern in self.publication["contrasts"]}

    @cached_property
    def conditions(self) -> Mapping[tuple[str, str], str]:
        """The publication's own name of a model's chain."""
        columns = (self.states[name] for name in ("model", "chain", "condition"))
        return {(model, chain): name for model, chain, name in zip(*columns, strict=True)}


def by_account(table: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """One row per value of `keys` with the columns of both accounts side by side, in their order.

    Columns end in _all and _valid.
    """
    parts = [table[table["account"] == name] for name in (ALL, VALID)]
    joined: pd.DataFrame = parts[0].merge(parts[1], on=keys, suffixes=(f"_{ALL}", f"_{VALID}"))
    return joined


def read_published(folder: Path | None, tables: Path) -> PublishedResults | None:
    """What the rule published_numbers wrote and, in `tables`, ours; None without such a folder."""
    if folder is None:
        return None
    names = ("states", "levels", "contrasts", "printed")
    frames = {name: pd.read_parquet(folder / f"{name}.parquet") for name in names}
    own = {name: tables / f"published_{name}.parquet" for name in ("levels", "contrasts")}
    for name, path in own.items():
        frame = pd.read_parquet(path) if path.is_file() else frames[name].iloc[:0]
        frames[f"own_{name}"] = frame
    publication = json.loads((folder / "publication.json").read_text(encoding="utf-8"))
    return PublishedResults(publication=publication, **frames)
