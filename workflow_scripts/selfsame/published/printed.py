"""Figures as printed elsewhere, cell by cell beside the same figures computed from the answers."""

from collections.abc import Iterator, Mapping

import pandas as pd

from selfsame.published.accounts import ALL
from selfsame.published.grid import chains_of
from selfsame.published.settings import PrintedCell, Publication

PRINTED_COLUMNS = ["model", "condition", "figure", "printed", "computed", "value", "agrees"]
MEAN, SPREAD, INVALID = "mean", "sd", "invalid"


def printed_cells(publication: Publication, levels: pd.DataFrame) -> pd.DataFrame:
    """One row per printed figure: PRINTED_COLUMNS, value in percent.

    `levels`: as `over_runs` gives them. `computed` is null where the answers hold no such state,
    and has as many decimals as what is printed.
    """
    rows = levels[levels["account"] == ALL].set_index(["model", "chain"])
    cells = [row for cell in publication.printed for row in _cells(cell, publication, rows)]
    return pd.DataFrame(cells, columns=PRINTED_COLUMNS)


def _cells(
    cell: PrintedCell, publication: Publication, levels: pd.DataFrame
) -> Iterator[tuple[str, str, str, str, str | None, float, bool]]:
    place = (publication.models[cell.model], chains_of(publication)[cell.condition])
    found = levels.loc[[place]].iloc[0] if place in levels.index else None
    for figure, printed in ((MEAN, cell.mean), (SPREAD, cell.sd), (INVALID, cell.invalid)):
        if printed is not None:
            value = float("nan") if found is None else _percent(found, figure)
            computed = None if pd.isna(value) else rounded(value, printed)
            yield (
                *(cell.model, cell.condition, figure, printed),
                *(computed, value, computed == printed),
            )


def _percent(level: pd.Series, figure: str) -> float:
    shares: Mapping[str, float] = {
        MEAN: level["run_mean"],
        SPREAD: level["run_sd"],
        INVALID: level["n_invalid"] / level["n"],
    }
    return 100 * float(shares[figure])


def rounded(value: float, printed: str) -> str:
    """The value with as many decimals as the printed text has."""
    return f"{value:.{len(printed.partition('.')[2])}f}"
