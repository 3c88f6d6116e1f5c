"""Published levels in the terminal: mean ± sd over runs, unread answers apart, printed figures."""

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from selfsame.published.accounts import ALL, VALID
from selfsame.published.grid import chains_of
from selfsame.published.printed import printed_cells
from selfsame.published.settings import Publication
from selfsame.reporting.terminal import WIDTH

HEADINGS = ("model", "condition", "runs", "not right, %", "of read ones, %", "unread, %")


def print_published(
    levels: pd.DataFrame, publication: Publication, console: Console | None = None
) -> None:
    """Print a row per state in the mapping's order. `levels`: as `over_runs` gives them."""
    console = console or Console(width=WIDTH)
    console.print(Text(f"{publication.title}\n{publication.source}"))
    table = Table(box=None, padding=(0, 1))
    for place, name in enumerate(HEADINGS):
        table.add_column(name, justify="left" if place < 2 else "right")
    both = [
        levels[levels["account"] == name].set_index(["model", "chain"]) for name in (ALL, VALID)
    ]
    for model in publication.models.values():
        for condition, chain in chains_of(publication).items():
            if (model, chain) in both[0].index:
                rows = (part.loc[[(model, chain)]].iloc[0] for part in both)
                table.add_row(Text(model), Text(condition), *map(Text, _cells(*rows)))
    console.print(table)
    for sentence in _printed(printed_cells(publication, levels)):
        console.print(Text(sentence))


def _cells(every: pd.Series, valid: pd.Series) -> list[str]:
    unread = every["n_invalid"] / every["n"]
    return [f"{every['n_seeds']}", _mean(every), _mean(valid), f"{100 * unread:.1f}"]


def _mean(level: pd.Series) -> str:
    if pd.isna(level["run_mean"]):
        return "–"
    mean, spread = 100 * level["run_mean"], 100 * level["run_sd"]
    return f"{mean:.1f}" if pd.isna(spread) else f"{mean:.1f} ± {spread:.1f}"


def _printed(cells: pd.DataFrame) -> list[str]:
    if cells.empty:
        return []
    wrong = cells[~cells["agrees"].astype(bool)]
    return [
        f"{len(cells) - len(wrong)} of {len(cells)} printed figures agree to the last digit.",
        *(
            f"{row['model']} {row['condition']}: {row['figure']} {row['printed']} is printed,"
            f" {row['computed']} computed"
            for _, row in wrong.iterrows()
        ),
    ]
