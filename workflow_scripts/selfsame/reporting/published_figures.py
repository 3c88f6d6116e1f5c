"""The figure of published levels, and of ours below them on the same axis."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from selfsame.published.accounts import ALL, VALID
from selfsame.reporting.drawing import BLUE, ORANGE, ask_percent, drawn, name_rows, note_row

MARKS = {ALL: (BLUE, BLUE, -0.16), VALID: (ORANGE, "white", 0.16)}  # line, face, place in the row


def levels(published: pd.DataFrame, own: pd.DataFrame) -> str | None:
    """Every state's level by both accounts, a panel per model, the publication's models first.

    Both tables have the columns of PUBLISHED_LEVELS; `own` may be empty. None without any state.
    """
    panels = [*_panels(published, ""), *_panels(own, "ours: ")]
    if not panels:
        return None
    sizes = [table["chain"].nunique() + 1.0 for _, table in panels]
    with drawn("published", sum(sizes) + 1.5 * len(panels)) as (figure, svg):
        axes = figure.subplots(len(panels), 1, sharex=True, height_ratios=sizes, squeeze=False)
        for axis, (title, table) in zip(axes[:, 0], panels, strict=True):
            axis.set_title(title)
            _panel(axis, table)
        axes[0, 0].set_xlim(-0.02, 1.02)
        ask_percent(axes[-1, 0], "% of answers that are not right")
    return svg.getvalue()


def _panels(table: pd.DataFrame, prefix: str) -> list[tuple[str, pd.DataFrame]]:
    models = dict.fromkeys(table["model"])
    return [(f"{prefix}{model}", table[table["model"] == model]) for model in models]


def _panel(axis: Axes, table: pd.DataFrame) -> None:
    order = list(dict.fromkeys(table["chain"]))
    for account, (colour, face, shift) in MARKS.items():
        shown = (table["account"] == account) & ((account == ALL) | (table["n_invalid"] > 0))
        rows = table[shown].set_index("chain").reindex(order)
        places = np.arange(len(order)) + shift
        axis.hlines(places, rows["ci_low"], rows["ci_high"], color=colour, linewidth=1.3)
        axis.plot(
            rows["value"], places, "o", markersize=4, markerfacecolor=face, markeredgecolor=colour
        )
    name_rows(axis, order)
    counted = table[table["account"] == ALL].set_index("chain").reindex(order)
    for place, (_, row) in enumerate(counted.iterrows()):
        note_row(axis, place, _note(row))


def _note(row: pd.Series) -> str:
    share = row["n_invalid"] / row["n"]
    unread = f", {100 * share:.0f} % unread" if share >= 0.005 else ""
    return f"{row['n_seeds']:.0f} run{'s' if row['n_seeds'] != 1 else ''}{unread}"
