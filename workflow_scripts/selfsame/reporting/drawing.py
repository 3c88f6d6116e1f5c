"""What all figures share: one style made to be printed, colours safe for the colour-blind.

Equal tables give equal bytes: ids are salted with the figure's name and no date is written. Text is
drawn as paths, so that it prints the same on every machine. Rows run from top to bottom, so that
long arm names stay readable with twenty arms.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure, FigureBase

# Okabe & Ito's palette (jfly.uni-koeln.de/color), its yellow left out: too pale on white.
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PINK, BLACK, GREY = "#56B4E9", "#CC79A7", "#222222", "#8A8A8A"
PALETTE = (BLUE, RED, GREEN, ORANGE, SKY, PINK, BLACK)
MARKERS = ("o", "s", "^", "D", "v", "P")
STYLE = {
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "text.parse_math": False,  # names come from the user and must not be read as formulas
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.7,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.6,
    "xtick.color": BLACK,
    "ytick.color": BLACK,
    "legend.frameon": False,
}
ROW = 0.23  # inches per row of text
WIDTH = 7.6  # inches
PANEL = 6.2  # rows of text that a row of small panels takes


@contextmanager
def drawn(name: str, rows: float) -> Iterator[tuple[Figure, io.StringIO]]:
    """A figure of so many text rows; on leaving, its SVG is in the buffer."""
    with mpl.rc_context({**STYLE, "svg.hashsalt": f"selfsame-{name}"}):
        figure = Figure(figsize=(WIDTH, 0.55 + ROW * rows), layout="constrained")
        FigureCanvasSVG(figure)
        svg = io.StringIO()
        yield figure, svg
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})


def panel_rows(count: int) -> int:
    """How many rows so many small panels take, four in a row."""
    return -(-count // 4)


def small_panels(figure: FigureBase, count: int) -> list[Axes]:
    """So many small panels with common axes, four in a row."""
    grid = figure.subplots(
        panel_rows(count), min(4, count), sharex=True, sharey=True, squeeze=False
    ).flatten()
    for axis in grid[count:]:
        axis.set_axis_off()
    return list(grid[:count])


def in_order(table: pd.DataFrame, chains: Sequence[str] | None) -> list[str]:
    """The table's chains, in the given order where one is given, else as they first appear."""
    present = list(dict.fromkeys(table["chain"]))
    return [chain for chain in chains if chain in present] if chains is not None else present


def percent_ticks(value: float, _: float) -> str:
    """A tick at a share, in percent."""
    return f"{100 * value:.0f}"


def ask_percent(axis: Axes, label: str) -> None:
    """Mark the x axis in percent."""
    axis.xaxis.set_major_formatter(percent_ticks)
    axis.set_xlabel(label)


def name_rows(axis: Axes, labels: Sequence[str]) -> None:
    """Name the rows and put the first on top."""
    axis.set_yticks(range(len(labels)), labels)
    axis.set_ylim(len(labels) - 0.4, -0.6)
    axis.tick_params(axis="y", length=0)


def note_row(axis: Axes, place: float, text: str) -> None:
    """Text to the right of a row."""
    axis.annotate(
        text, (1.01, place), xycoords=("axes fraction", "data"),
        va="center", fontsize=7.5, annotation_clip=False,
    )  # fmt: skip


def points(axis: Axes, values: pd.Series, lows: pd.Series, highs: pd.Series, colour: str) -> None:
    """Points with whiskers, one row each; a row without a value stays empty."""
    places = np.arange(len(values))
    axis.hlines(places, lows, highs, color=colour, linewidth=1.6)
    axis.plot(values, places, "o", color=colour, markersize=4.5)


def two_lines(chain: str) -> str:
    """A chain's name for the title of a small panel."""
    return chain.replace("+", " +\n", 1)
