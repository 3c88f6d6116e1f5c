"""Figures of behaviour as SVG text: every function takes tables and returns one SVG document."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from selfsame.reporting.drawing import (
    BLACK,
    BLUE,
    GREY,
    MARKERS,
    ORANGE,
    PALETTE,
    PANEL,
    RED,
    ask_percent,
    drawn,
    in_order,
    name_rows,
    note_row,
    panel_rows,
    percent_ticks,
    points,
    small_panels,
    two_lines,
)
from selfsame.reporting.results import metric_name, signed
from selfsame.statistics.scores import identity_classes

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
    with drawn("forest", len(known) + 2.6 * len(groups)) as (figure, svg):
        sizes = [len(group) + 0.6 for _, group in groups]
        axes = figure.subplots(len(groups), 1, sharex=True, height_ratios=sizes, squeeze=False)
        for axis, (name, group) in zip(axes[:, 0], groups, strict=True):
            axis.set_title(CONTRAST_TITLES[name])
            _forest_panel(axis, group, alpha)
        ask_percent(axes[-1, 0], f"difference in {_metric_of(known)}, percentage points")
    return svg.getvalue()


def levels(
    summary: pd.DataFrame, metrics: Sequence[str], chains: Sequence[str] | None = None
) -> str:
    """Each arm's level with its interval, one panel per metric, the first metric first."""
    order = in_order(summary, chains)
    with drawn("levels", len(order) + 3) as (figure, svg):
        axes = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
        for axis, metric, colour in zip(axes, metrics, (BLUE, RED, GREY), strict=False):
            rows = summary[summary["metric"] == metric].set_index("chain").reindex(order)
            points(axis, rows["value"], rows["ci_low"], rows["ci_high"], colour)
            axis.set_title(metric_name(metric).replace(": ", "\n"))
            axis.set_xlim(-0.03, 1.03)
            ask_percent(axis, "% of answers")
            axis.tick_params(axis="y", length=0)
        name_rows(axes[0], order)
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
    order = in_order(wide, chains)
    with drawn("recognition", max(18, 0.9 * len(order) + 2)) as (figure, svg):
        axis = figure.subplots()
        for chain, (colour, marker) in zip(order, _styles(), strict=False):
            states = wide[wide["chain"] == chain]
            axis.scatter(
                states[recognition], states[misalignment], color=colour, marker=marker,
                s=34, alpha=0.85, linewidths=0, label=chain,
            )  # fmt: skip
        axis.axvline(0.5, color=GREY, linestyle=":", linewidth=1)
        ask_percent(axis, f"{metric_name(recognition)}, % (dotted: chance)")
        axis.yaxis.set_major_formatter(percent_ticks)
        axis.set_ylabel(f"{metric_name(misalignment)}, %")
        figure.legend(loc="outside right upper", fontsize=7.5)
    return svg.getvalue()


def identity(observations: pd.DataFrame, chains: Sequence[str] | None = None) -> str:
    """Whom each arm says it is: shares of its own name, other names, and no name at all."""
    own = observations[observations["metric"].str.endswith(".own_name")]
    order = in_order(own, chains)
    shares = identity_shares(own).reindex(order)
    with drawn("identity", len(order) + 3.4) as (figure, svg):
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
        ask_percent(axis, "% of answers to who are you")
        name_rows(axis, order)
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
    order = in_order(losses, chains)
    with drawn("loss", panel_rows(len(order)) * PANEL + 2) as (figure, svg):
        for axis, chain in zip(small_panels(figure, len(order)), order, strict=True):
            axis.set_title(two_lines(chain), fontsize=7.5)
            _loss_panel(axis, losses[losses["chain"] == chain])
        figure.supxlabel("optimizer step", fontsize=8.5)
        figure.supylabel("loss, nats per supervised token", fontsize=8.5)
    return svg.getvalue()


def _metric_of(effects: pd.DataFrame) -> str:
    return metric_name(str(effects["metric"].iloc[0]))


def _forest_panel(axis: Axes, group: pd.DataFrame, alpha: float) -> None:
    clear = (group["p_adjusted"] < alpha).to_numpy(dtype=bool)
    points(axis, group["estimate"], group["ci_low"], group["ci_high"], BLUE)
    places = np.arange(len(group))
    axis.plot(
        group["estimate"][~clear], places[~clear], "o", markersize=4.5,
        markerfacecolor="white", markeredgecolor=BLUE,
    )  # fmt: skip
    axis.axvline(0, color=BLACK, linewidth=0.8)
    name_rows(axis, [_contrast_label(row) for _, row in group.iterrows()])
    for place, (_, row) in enumerate(group.iterrows()):
        note_row(axis, place, _effect_text(row))


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
