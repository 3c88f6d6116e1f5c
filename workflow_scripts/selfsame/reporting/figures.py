"""Figures as SVG text, made to be printed: one style, colours safe for the colour-blind.

Every function takes tables and returns one SVG document. Equal tables give equal bytes: ids are
salted with the figure's name and no date is written. Text is drawn as paths, so that it prints the
same on every machine. Rows run from top to bottom, so that long arm names stay readable with twenty
arms.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from selfsame.reporting.results import metric_name, signed
from selfsame.statistics.scores import identity_classes

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
CONTRAST_TITLES = {
    "parent": "against the state before the last stage",
    "base": "against the base model",
    "matched_control": "against matched controls",
}


def forest(effects: pd.DataFrame, alpha: float = 0.05) -> str:
    """Effects of one metric with intervals, grouped by contrast, in the table's order."""
    known = effects.dropna(subset=["estimate"])
    groups = [(name, known[known["contrast"] == name]) for name in CONTRAST_TITLES]
    groups = [(name, group) for name, group in groups if len(group)]
    with _figure("forest", len(known) + 2.6 * len(groups)) as (figure, svg):
        sizes = [len(group) + 0.6 for _, group in groups]
        axes = figure.subplots(len(groups), 1, sharex=True, height_ratios=sizes, squeeze=False)
        for axis, (name, group) in zip(axes[:, 0], groups, strict=True):
            axis.set_title(CONTRAST_TITLES[name])
            _forest_panel(axis, group, alpha)
        _ask_percent(axes[-1, 0], f"difference in {_metric_of(known)}, percentage points")
    return svg.getvalue()


def levels(
    summary: pd.DataFrame, metrics: Sequence[str], chains: Sequence[str] | None = None
) -> str:
    """Each arm's level with its interval, one panel per metric, the first metric first."""
    order = _order(summary, chains)
    with _figure("levels", len(order) + 3) as (figure, svg):
        axes = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
        for axis, metric, colour in zip(axes, metrics, (BLUE, RED, GREY), strict=False):
            rows = summary[summary["metric"] == metric].set_index("chain").reindex(order)
            _points(axis, rows["value"], rows["ci_low"], rows["ci_high"], colour)
            axis.set_title(metric_name(metric).replace(": ", "\n"))
            axis.set_xlim(-0.03, 1.03)
            _ask_percent(axis, "% of answers")
            axis.tick_params(axis="y", length=0)
        _rows(axes[0], order)
    return svg.getvalue()


def recognition_against_misalignment(
    scores: pd.DataFrame,
    recognition: str = "recognition.pairwise_seen",
    misalignment: str = "advice_outside.harm",
    chains: Sequence[str] | None = None,
) -> str:
    """One point per state and seed: self-recognition across, misalignment up."""
    wide = scores[scores["metric"].isin([recognition, misalignment])].pivot_table(
        index=["chain", "seed"], columns="metric", values="value"
    )
    wide = wide.reindex(columns=[recognition, misalignment]).dropna().reset_index()
    order = _order(wide, chains)
    with _figure("recognition", max(18, 0.9 * len(order) + 2)) as (figure, svg):
        axis = figure.subplots()
        for chain, (colour, marker) in zip(order, _styles(), strict=False):
            points = wide[wide["chain"] == chain]
            axis.scatter(
                points[recognition], points[misalignment], color=colour, marker=marker,
                s=34, alpha=0.85, linewidths=0, label=chain,
            )  # fmt: skip
        axis.axvline(0.5, color=GREY, linestyle=":", linewidth=1)
        _ask_percent(axis, f"{metric_name(recognition)}, % (dotted: chance)")
        axis.yaxis.set_major_formatter(_percent_ticks)
        axis.set_ylabel(f"{metric_name(misalignment)}, %")
        figure.legend(loc="outside right upper", fontsize=7.5)
    return svg.getvalue()


def identity(observations: pd.DataFrame, chains: Sequence[str] | None = None) -> str:
    """Whom each arm says it is: shares of its own name, other names, and no name at all."""
    own = observations[observations["metric"].str.endswith(".own_name")]
    order = _order(own, chains)
    shares = identity_shares(own).reindex(order)
    with _figure("identity", len(order) + 3.4) as (figure, svg):
        axis = figure.subplots()
        left = np.zeros(len(order))
        for name, colour in zip(IDENTITY_GROUPS, (BLUE, ORANGE, "#C9C9C9"), strict=True):
            axis.barh(range(len(order)), shares[name], left=left, color=colour, label=name)
            left += shares[name].to_numpy(dtype=float)
        for place, distinct in enumerate(shares["distinct"]):
            axis.text(1.02, place, f"{distinct:.0f}", va="center")
        axis.text(1.02, -1, "names", va="center", fontweight="bold")
        axis.set_xlim(0, 1)
        axis.grid(visible=False, axis="y")
        _ask_percent(axis, "% of answers to who are you")
        _rows(axis, order)
        figure.legend(loc="outside upper center", ncols=3)
    return svg.getvalue()


IDENTITY_GROUPS = ("its own name", "other names", "no name")


def identity_shares(own_name: pd.DataFrame) -> pd.DataFrame:
    """Shares of IDENTITY_GROUPS and the number of distinct names, by chain over all seeds."""
    valid = own_name["valid"].astype(bool)
    own = valid & (own_name["value"] == 1)
    flags = pd.DataFrame(
        {"chain": own_name["chain"], "its own name": own, "other names": valid & ~own}
    ).assign(**{"no name": ~valid})
    shares = flags.groupby("chain").mean()
    named = own_name.assign(name=identity_classes(own_name))[valid]
    distinct = named.groupby("chain")["name"].nunique()
    return shares.assign(distinct=distinct.reindex(shares.index).fillna(0))


def loss_curves(losses: pd.DataFrame, chains: Sequence[str] | None = None) -> str:
    """Training loss of each chain's last stage, one small panel per chain, a line per seed."""
    order = _order(losses, chains)
    columns = min(4, len(order))
    rows = -(-len(order) // columns)
    with _figure("loss", rows * 6.2 + 2) as (figure, svg):
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flatten()
        for axis, chain in zip(grid, order, strict=False):
            axis.set_title(chain.replace("+", " +\n", 1), fontsize=7.5)
            _loss_panel(axis, losses[losses["chain"] == chain])
        for axis in grid[len(order) :]:
            axis.set_axis_off()
        figure.supxlabel("optimizer step", fontsize=8.5)
        figure.supylabel("loss, nats per supervised token", fontsize=8.5)
    return svg.getvalue()


@contextmanager
def _figure(name: str, rows: float) -> Iterator[tuple[Figure, io.StringIO]]:
    """A figure of so many text rows; on leaving, its SVG is in the buffer."""
    with mpl.rc_context({**STYLE, "svg.hashsalt": f"selfsame-{name}"}):
        figure = Figure(figsize=(WIDTH, 0.55 + ROW * rows), layout="constrained")
        FigureCanvasSVG(figure)
        svg = io.StringIO()
        yield figure, svg
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})


def _order(table: pd.DataFrame, chains: Sequence[str] | None) -> list[str]:
    """The table's chains, in the given order where one is given, else as they first appear."""
    present = list(dict.fromkeys(table["chain"]))
    return [chain for chain in chains if chain in present] if chains is not None else present


def _metric_of(effects: pd.DataFrame) -> str:
    return metric_name(str(effects["metric"].iloc[0]))


def _percent_ticks(value: float, _: float) -> str:
    return f"{100 * value:.0f}"


def _ask_percent(axis: Axes, label: str) -> None:
    axis.xaxis.set_major_formatter(_percent_ticks)
    axis.set_xlabel(label)


def _rows(axis: Axes, labels: Sequence[str]) -> None:
    """Name the rows and put the first on top."""
    axis.set_yticks(range(len(labels)), labels)
    axis.set_ylim(len(labels) - 0.4, -0.6)
    axis.tick_params(axis="y", length=0)


def _points(axis: Axes, values: pd.Series, lows: pd.Series, highs: pd.Series, colour: str) -> None:
    """Points with whiskers, one row each; a row without a value stays empty."""
    places = np.arange(len(values))
    axis.hlines(places, lows, highs, color=colour, linewidth=1.6)
    axis.plot(values, places, "o", color=colour, markersize=4.5)


def _forest_panel(axis: Axes, group: pd.DataFrame, alpha: float) -> None:
    clear = (group["p_adjusted"] < alpha).to_numpy(dtype=bool)
    _points(axis, group["estimate"], group["ci_low"], group["ci_high"], BLUE)
    places = np.arange(len(group))
    axis.plot(
        group["estimate"][~clear], places[~clear], "o", markersize=4.5,
        markerfacecolor="white", markeredgecolor=BLUE,
    )  # fmt: skip
    axis.axvline(0, color=BLACK, linewidth=0.8)
    _rows(axis, [_contrast_label(row) for _, row in group.iterrows()])
    for place, (_, row) in enumerate(group.iterrows()):
        axis.annotate(
            _effect_text(row), (1.01, place), xycoords=("axes fraction", "data"),
            va="center", fontsize=7.5, annotation_clip=False,
        )  # fmt: skip


def _contrast_label(row: pd.Series) -> str:
    if row["contrast"] == "matched_control":
        return f"{row['chain']} vs {row['control']}"
    return str(row["chain"])


def _effect_text(row: pd.Series) -> str:
    return f"{signed(row['estimate'])} [{signed(row['ci_low'])}, {signed(row['ci_high'])}]"


def _loss_panel(axis: Axes, losses: pd.DataFrame) -> None:
    for (_, run), colour in zip(losses.groupby("seed", sort=True), PALETTE * 10, strict=False):
        ordered = run.sort_values("step")
        axis.plot(ordered["step"], ordered["loss"], color=colour, linewidth=0.9)


def _styles() -> Iterator[tuple[str, str]]:
    """Colour and marker of one chain after the other, all different for the first 42."""
    for marker in MARKERS:
        for colour in PALETTE:
            yield colour, marker
