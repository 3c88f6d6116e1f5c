"""Figures of persona vectors, recovery and relapse as SVG text, in the style of drawing.py.

Every function takes tables and returns one SVG document. No correlation is drawn without its null.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D

from selfsame.reporting.drawing import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PANEL,
    RED,
    SKY,
    drawn,
    in_order,
    name_rows,
    note_row,
    panel_rows,
    percent_ticks,
    small_panels,
    two_lines,
)
from selfsame.reporting.label_places import Label, free_places
from selfsame.reporting.persona_answer import BROKEN, band, verdict_text
from selfsame.reporting.results import number
from selfsame.statistics.recovery import HALF, VERDICTS

COLOURS = {"cured": GREEN, "bandaged": ORANGE, "hidden": SKY, "unrepaired": RED}
STRONG_GREY = "#5A5A5A"
BAND = "#C9C9C9"
NULLS = {
    "covariance": "random directions",
    "total_covariance": "random, along the contrast",
    "permutation": "shuffled labels",
    "cross_trait": "other traits",
    "components": "main components",
}
SELECTIONS = {"chosen": "chosen layer", "max": "best layer"}


def steering_sweep(
    sweep: pd.DataFrame, choices: Mapping[str, Mapping[str, Any]], max_incoherent: float
) -> str:
    """Share of answers with the trait, and of incoherent ones, against strength, by layer."""
    known = [trait for trait in choices if (sweep["trait"] == trait).any()]
    layers = sweep[sweep["alpha"] != 0].groupby("trait")["layer"].nunique()
    heights = [panel_rows(int(layers[trait])) for trait in known]
    with drawn("steering_sweep", sum(heights) * PANEL + 1.2 * len(known) + 1.5) as (figure, svg):
        parts = figure.subfigures(len(known), 1, height_ratios=heights, squeeze=False)[:, 0]
        for part, trait in zip(parts, known, strict=True):
            part.suptitle(trait, x=0.01, ha="left", fontweight="bold", fontsize=9.5)
            _sweep_panels(part, sweep[sweep["trait"] == trait], choices[trait], max_incoherent)
        figure.legend(handles=_sweep_legend(), loc="outside upper right", ncols=3, fontsize=7.5)
    return svg.getvalue()


def where_states_lie(
    shifts: Mapping[str, pd.DataFrame], chains: Sequence[str], induced: Sequence[str]
) -> str:
    """Mean shift of each arm along each trait's vector, with a small point for every seed.

    `shifts` gives each trait the rows of SHIFTS at the layer chosen for it.
    """
    columns = min(3, len(shifts))
    rows = -(-len(shifts) // columns)
    order = in_order(pd.concat(list(shifts.values())), chains)
    with drawn("shifts", rows * (len(order) + 3)) as (figure, svg):
        grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
        for axis, (trait, table) in zip(grid.flatten(), shifts.items(), strict=False):
            _shift_panel(axis, table, order, induced)
            axis.set_title(trait)
        for axis in grid.flatten()[len(shifts) :]:
            axis.set_axis_off()
        name_rows(grid[0, 0], order)
    return svg.getvalue()


def recovery(table: pd.DataFrame, chains: Sequence[str], induced: Sequence[str]) -> str:
    """Latent recovery against behavioural recovery, a numbered point per arm; RECOVERY rows.

    Arms whose latent recovery was not measured stand below with their behaviour alone.
    """
    order = in_order(table, chains)
    rows = table.drop_duplicates("chain").set_index("chain", drop=False).loc[order]
    rows = rows.dropna(subset=["behaviour"])
    rows = rows.assign(number=range(1, len(rows) + 1))
    placed, unplaced = rows[rows["latent"].notna()], rows[rows["latent"].isna()]
    heights = [19.0, len(unplaced) + 1.5][: 1 + bool(len(unplaced))]
    with drawn("recovery", max(sum(heights), len(rows) + 1)) as (figure, svg):
        axes = figure.subplots(len(heights), 1, height_ratios=heights, sharex=True, squeeze=False)
        axis = axes[0, 0]
        _quadrants(axis, placed)
        _crosshairs(axis, placed)
        if len(unplaced):
            _behaviour_alone(axes[1, 0], unplaced)
        axes[-1, 0].set_xlabel("behavioural recovery B (1 = the base, above: beyond it)")
        handles = [_legend_mark(row) for _, row in rows.iterrows()]
        figure.legend(handles=handles, loc="outside right upper", fontsize=7.5)
        _number_points(figure, axis, placed, induced)
    return svg.getvalue()


def relapse_curves(
    relapse: pd.DataFrame,
    half_doses: pd.DataFrame,
    chains: Sequence[str],
    *,
    midpoint: float,
    reference: str,
    metric: str,
) -> str:
    """The metric against the dose of fresh induction, one panel per arm, the reference in grey.

    `relapse` and `half_doses` hold one metric.
    """
    order = in_order(relapse, chains)
    curves = relapse.groupby(["chain", "dose"])["value"].mean()
    halves = half_doses.set_index("chain")["half_dose"]
    with drawn("relapse", panel_rows(len(order)) * PANEL + 3) as (figure, svg):
        for axis, chain in zip(small_panels(figure, len(order)), order, strict=True):
            axis.set_title(two_lines(chain), fontsize=7.5)
            axis.axhline(midpoint, color=BLACK, linestyle="--", linewidth=0.8)
            if reference in order:
                _curve(axis, curves[reference], GREY, 1.4)
            _relapse_panel(axis, relapse[relapse["chain"] == chain], curves[chain])
            axis.plot(halves.get(chain, np.nan), midpoint, "o", color=RED, markersize=5)
            axis.yaxis.set_major_formatter(percent_ticks)
        figure.supxlabel("dose: optimizer steps of fresh induction", fontsize=8.5)
        figure.supylabel(f"{metric}, %", fontsize=8.5)
        figure.legend(handles=_relapse_legend(reference), loc="outside upper right", ncols=4)
    return svg.getvalue()


def null_bands(correlations: pd.DataFrame, movements: pd.DataFrame, alpha: float) -> str:
    """Observed statistics beside the bands of their nulls: rows of NULLS.

    `correlations` hold any traits, nulls and selections, `movements` one row per arm.
    """
    parts = [rows for rows in (correlations, movements) if len(rows)]
    with drawn("nulls", sum(len(rows) + 4 for rows in parts)) as (figure, svg):
        heights = [len(rows) + 2 for rows in parts]
        axes = figure.subplots(len(parts), 1, height_ratios=heights, squeeze=False)[:, 0]
        for axis, rows in zip(axes, parts, strict=True):
            _null_panel(axis, rows, alpha)
    return svg.getvalue()


def _sweep_panels(
    part: SubFigure, sweep: pd.DataFrame, choice: Mapping[str, Any], max_incoherent: float
) -> None:
    layers = sorted(sweep.loc[sweep["alpha"] != 0, "layer"].unique())
    for axis, layer in zip(small_panels(part, len(layers)), layers, strict=True):
        rows = sweep[(sweep["layer"] == layer) | (sweep["alpha"] == 0)].sort_values("alpha")
        axis.axhline(max_incoherent, color=GREY, linestyle=":", linewidth=1)
        axis.plot(rows["alpha"], rows["trait_share"], "o-", color=BLUE, markersize=4)
        axis.plot(rows["alpha"], rows["incoherent"], "s--", color=RED, markersize=3.5)
        chosen = layer == choice["layer"]
        if chosen:
            axis.axvline(
                choice["sign"] * choice["alpha"], color=GREEN, linewidth=5, alpha=0.35, zorder=0.5
            )
        axis.set_title(f"layer {layer}, chosen" if chosen else f"layer {layer}", fontsize=8)
        axis.set_ylim(-0.04, 1.04)
        axis.yaxis.set_major_formatter(percent_ticks)
    part.supxlabel("strength, in lengths of the vector (below zero: against it)", fontsize=8.5)
    part.supylabel("% of answers", fontsize=8.5)


def _sweep_legend() -> list[Line2D]:
    return [
        Line2D([], [], color=BLUE, marker="o", markersize=4, label="shows the trait"),
        Line2D([], [], color=RED, marker="s", markersize=3.5, linestyle="--", label="incoherent"),
        Line2D([], [], color=GREEN, linewidth=5, alpha=0.35, label="chosen strength"),
    ]


def _shift_panel(
    axis: Axes, table: pd.DataFrame, order: Sequence[str], induced: Sequence[str]
) -> None:
    places = {chain: place for place, chain in enumerate(order)}
    means = table.groupby("chain")["shift"].mean().reindex(list(order))
    axis.axvline(0, color=BLACK, linewidth=0.8)
    for chain in induced:
        axis.axvline(means.get(chain, np.nan), color=RED, linestyle="--", linewidth=0.8)
    axis.plot(means, range(len(order)), "|", color=BLUE, markersize=12, markeredgewidth=2.4)
    axis.plot(
        table["shift"], table["chain"].map(places), "o", markersize=3.6,
        markerfacecolor="none", markeredgecolor=STRONG_GREY, markeredgewidth=0.8,
    )  # fmt: skip
    axis.set_xlabel("shift along the vector")
    axis.tick_params(axis="y", length=0)


def _quadrants(axis: Axes, rows: pd.DataFrame) -> None:
    """Limits, the lines of one half, the two reference points and the quadrants' names."""
    (left, right), (low, high) = _limits(rows, "behaviour"), _limits(rows, "latent")
    strip = 0.07 * (high - low)  # free of points, so that the names do not meet them
    axis.set_xlim(left, right)
    axis.set_ylim(low - strip, high + strip)
    axis.axvline(HALF, color=GREY, linewidth=1)
    axis.axhline(HALF, color=GREY, linewidth=1)
    for behaves, x, side in ((False, left, "left"), (True, right, "right")):
        for inside, y in ((False, low - strip / 2), (True, high + strip / 2)):
            axis.text(
                x, y, VERDICTS[behaves, inside], ha=side, va="center",
                color=STRONG_GREY, fontweight="bold", fontsize=9,
            )  # fmt: skip
    axis.plot([0, 1], [0, 1], "D", color=BLACK, markersize=5)
    axis.set_ylabel("latent recovery L (1 = the base, above: beyond it)")


def _limits(rows: pd.DataFrame, name: str) -> tuple[float, float]:
    """All points and most of the intervals; an interval that leaves the panel goes on outside."""
    low = min(-0.15, rows[name].min() - 0.1, max(rows[f"{name}_low"].min(), -0.5))
    high = max(1.15, rows[name].max() + 0.1, min(rows[f"{name}_high"].max(), 1.5))
    return low, high


def _crosshairs(axis: Axes, rows: pd.DataFrame) -> None:
    for _, row in rows.iterrows():
        colour = _colour(row)
        thin: dict[str, Any] = {"color": colour, "linewidth": 0.9, "alpha": 0.55, "zorder": 2}
        axis.hlines(row["latent"], row["behaviour_low"], row["behaviour_high"], **thin)
        axis.vlines(row["behaviour"], row["latent_low"], row["latent_high"], **thin)
        axis.plot(row["behaviour"], row["latent"], linestyle="", zorder=3, **_mark(row))


def _colour(row: pd.Series) -> str:
    return COLOURS.get(row["verdict"], STRONG_GREY)


def _mark(row: pd.Series) -> dict[str, Any]:
    """Filled where decided, hollow where not; a hollow x for an arm that lost its coherence."""
    colour = _colour(row)
    hollow = row["verdict"] == BROKEN or not row["decided"]
    return {
        "marker": "X" if row["verdict"] == BROKEN else "o",
        "markersize": 8 if row["verdict"] == BROKEN else 6,
        "markerfacecolor": "white" if hollow else colour,
        "markeredgecolor": colour,
        "markeredgewidth": 1.3,
    }


def _legend_mark(row: pd.Series) -> Line2D:
    label = f"{row['number']}  {row['chain']}: {verdict_text(row)}"
    return Line2D([], [], linestyle="", label=label, **_mark(row))


def _behaviour_alone(axis: Axes, rows: pd.DataFrame) -> None:
    axis.hlines(
        range(len(rows)), rows["behaviour_low"], rows["behaviour_high"],
        color=STRONG_GREY, linewidth=1.6,
    )  # fmt: skip
    for place, (_, row) in enumerate(rows.iterrows()):
        axis.plot(row["behaviour"], place, linestyle="", **_mark(row))
    name_rows(axis, [str(place) for place in rows["number"]])
    axis.axvline(HALF, color=GREY, linewidth=1)
    axis.set_title("L not measured", fontsize=8)


def _number_points(figure: Figure, axis: Axes, rows: pd.DataFrame, induced: Sequence[str]) -> None:
    """Write each point's number beside it where nothing else stands."""
    names = [*map(str, rows["number"]), "base", ", ".join(induced)]
    across, up = [*rows["behaviour"], 1, 0], [*rows["latent"], 1, 0]
    figure.draw_without_rendering()  # settles the layout, so that distances are known
    at = axis.transData.transform(np.column_stack([across, up])) * 72 / figure.dpi
    labels = [Label(x, y, 5.4 * len(name), 8) for (x, y), name in zip(at, names, strict=True)]
    for name, x, y, offset in zip(names, across, up, free_places(labels), strict=True):
        axis.annotate(
            name, (x, y), offset, textcoords="offset points", ha="center", va="center",
            fontsize=7.5, zorder=4, in_layout=False,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6},
            arrowprops={"arrowstyle": "-", "color": BLACK, "linewidth": 0.6, "shrinkA": 0},
        )  # fmt: skip


def _relapse_panel(axis: Axes, rows: pd.DataFrame, mean: pd.Series) -> None:
    for _, run in rows.groupby("seed", sort=True):
        _curve(axis, run.set_index("dose")["value"], SKY, 0.7)
    _curve(axis, mean, BLUE, 1.8)


def _curve(axis: Axes, values: pd.Series, colour: str, width: float) -> None:
    ordered = values.sort_index()
    axis.plot(ordered.index, ordered, color=colour, linewidth=width)


def _relapse_legend(reference: str) -> list[Line2D]:
    return [
        Line2D([], [], color=BLUE, linewidth=1.8, label="the arm (thin: each seed)"),
        Line2D([], [], color=GREY, linewidth=1.4, label=reference),
        Line2D([], [], color=BLACK, linestyle="--", linewidth=0.8, label="half the damage"),
        Line2D([], [], color=RED, marker="o", linestyle="", markersize=5, label="half dose"),
    ]


def _null_panel(axis: Axes, rows: pd.DataFrame, alpha: float) -> None:
    correlation = rows["statistic"].iloc[0] == "correlation"
    places = np.arange(len(rows))
    axis.hlines(places, rows["q025"], rows["q975"], color=BAND, linewidth=7)
    axis.plot(rows["q500"], places, "|", color=STRONG_GREY, markersize=9)
    beats = (rows["p_adjusted"] < alpha).to_numpy(dtype=bool)
    for flags, face in ((beats, BLUE), (~beats, "white")):
        axis.plot(
            rows["observed"].to_numpy()[flags], places[flags], "D", markersize=5,
            markerfacecolor=face, markeredgecolor=BLUE,
        )  # fmt: skip
    name_rows(axis, [_null_name(row, correlation) for _, row in rows.iterrows()])
    for place, (_, row) in enumerate(rows.iterrows()):
        note_row(axis, place, f"{number(row['observed'])} (null {band(row)})")
    if correlation:
        axis.axvline(0, color=BLACK, linewidth=0.8)
        axis.set_title("does the shift follow the trait score?")
        axis.set_xlabel("correlation over states; best layer: its size")
    else:
        axis.set_title("how far did each arm move back along the vector?")
        axis.set_xlabel("movement, against random directions, chosen layer")


def _null_name(row: pd.Series, correlation: bool) -> str:
    if not correlation:
        return str(row["chain"])
    return f"{row['trait']}: {NULLS[row['null']]}, {SELECTIONS[row['selection']]}"
