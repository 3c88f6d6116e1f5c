"""Tallies: all that the statistics need of any number of observations, cell by cell.

A cell holds one chain's answers of one seed and metric to one cluster of questions: their sum and
their numbers. States are tallied one after the other, so that memory grows with the cells and not
with the observations. A cell is summed in the order of its rows, whatever else is read beside it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from selfsame.errors import UserError
from selfsame.statistics.scores import SCORE_KEYS, STATE, counted_observations

CELL = [*SCORE_KEYS, "cluster"]
NAMES = [*STATE, "metric", "cluster"]
COUNTS = {"counted": "counts", "n_valid": "valid"}
TOGETHER = 50  # small tables joined at a time: each by itself takes several times its cells' room

Key = tuple[object, ...]  # one value of each of SCORE_KEYS
Questions = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Tally:
    """Cells, and which (item, cluster) each state's answers of a metric cover.

    `cells` has the columns CELL, total over counted (the mean), n and n_valid; names are categories
    in sorted order, so that a million cells take some 40 MB.
    """

    cells: pd.DataFrame
    questions: Mapping[Key, Questions]


def tallied(observations: pd.DataFrame) -> Tally:
    """The tally of observations as judges write them. Raises UserError as scores.py says."""
    return tally(counted_observations(observations))


def tally(counted: pd.DataFrame) -> Tally:
    """The tally of rows with CELL, item, counted_value, counts and valid."""
    grouped = counted.groupby(CELL, sort=True, observed=True)
    cells, places = grouped.size().rename("n").reset_index(), grouped.ngroup().to_numpy()
    cells["total"] = _summed(counted["counted_value"], places, len(cells))
    for name, column in COUNTS.items():
        cells[name] = _summed(counted[column], places, len(cells)).astype(np.int32)
    cells = cells.astype({**dict.fromkeys(NAMES, "category"), "n": np.int32})
    return Tally(cells, _questions(counted))


def merged(tallies: Iterable[Tally]) -> Tally:
    """One tally of several, read one after the other. UserError where two hold the same state."""
    parts: list[pd.DataFrame] = []
    questions: dict[Key, Questions] = {}
    known: dict[Questions, Questions] = {}
    for part in tallies:
        _require_new(part.questions, questions)
        parts.append(part.cells)
        if len(parts) == TOGETHER:
            parts = [_concatenated(parts)]
        # Nearly all states cover the same questions: one set serves them all.
        questions |= {key: known.setdefault(found, found) for key, found in part.questions.items()}
    return Tally(_concatenated(parts), questions)


def _summed(values: pd.Series, places: np.ndarray, n_places: int) -> np.ndarray:
    weights = values.to_numpy(dtype=np.float64)
    return np.bincount(places, weights=weights, minlength=n_places)


def _questions(counted: pd.DataFrame) -> dict[Key, Questions]:
    covered = counted[[*CELL, "item"]].drop_duplicates()
    return {
        tuple(key): frozenset(zip(rows["item"], rows["cluster"], strict=True))
        for key, rows in covered.groupby(SCORE_KEYS, sort=False, observed=True)
    }


def _require_new(found: Iterable[Key], known: Mapping[Key, Questions]) -> None:
    for key in found:
        if key in known:
            *_, chain, seed, metric = key
            raise UserError(f"observations: two files hold {metric} of {chain}, seed {seed}")


def _concatenated(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    return pd.DataFrame({
        name: pd.api.types.union_categoricals([p[name] for p in parts], sort_categories=True)
        if name in NAMES
        else np.concatenate([part[name] for part in parts])
        for name in parts[0]
    })  # fmt: skip
