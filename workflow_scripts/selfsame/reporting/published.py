"""The report's part on published answers: printable tables, sentences and a figure.

Everything is text when it leaves this module; the template escapes it.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd

from selfsame.published.accounts import ALL, LEAST_VALID, VALID
from selfsame.published.outcomes import KEPT, NO_TEST
from selfsame.reporting import published_figures
from selfsame.reporting.published_results import CONTRAST, PublishedResults, by_account
from selfsame.reporting.results import MISSING, Results, p_value_said, p_value_text, signed
from selfsame.statistics.scores import STATE

Rows = list[tuple[str, ...]]
Planned = Iterator[tuple[str, str, str, Callable[[], str | None]]]
ACCOUNT_WORDS = {
    ALL: "An unread answer counted as wrong, as published",
    VALID: "Unread answers left out",
}


def section(results: Results, published: PublishedResults) -> dict[str, Any]:
    """What the template of the section needs, but for the figure."""
    grid = by_account(published.contrasts, CONTRAST)
    own = by_account(published.own_contrasts, CONTRAST)
    changed = grid[~_kept(grid)]
    return {
        "publication": published.publication,
        "tested": f"{len(grid)} contrasts",
        "unresolved": _unresolved(results, len(grid)),
        "least_valid": f"{100 * LEAST_VALID:.0f}",
        "counts": [_counted(published.contrasts, account) for account in ACCOUNT_WORDS],
        "changed": _contrast_rows(changed, published),
        "contrasts": _contrast_rows(grid, published),
        "levels": _level_rows(published.levels, published),
        "own_experiment": results.config["experiment"],
        "own_probe": (results.config.get("published") or {}).get("probe")
        or published.publication["probe"],
        "own_contrasts": _contrast_rows(own, published),
        "own_levels": _level_rows(published.own_levels, published),
        "printed": _printed_rows(published),
        "agreeing": f"{published.printed['agrees'].sum()} of {len(published.printed)}",
        "systems": published.publication["systems"],
        "inductions": published.publication["inductions"],
    }


def planned_figures(results: Results) -> Planned:
    """Name, title, caption and drawing of the figure; nothing where no answers were named."""
    published = results.published
    if published is None:
        return
    yield (
        "published", "Published and ours: answers that are not right",
        "Every state of the grid. Blue: of all answers, unread ones counted as wrong, as published."
        " Orange, hollow, where some were unread: of those that could be read. Lines are"
        f" {100 * results.confidence:.0f} % intervals clustered over questions and runs; over"
        " questions alone where there is one run. On the right: runs, and the share of unread"
        " answers. Ours, where the experiment asks the same questions, stand below on that axis.",
        lambda: published_figures.levels(
            _of_grid(published.levels, published.contrasts),
            _of_grid(published.own_levels, published.own_contrasts),
        ),
    )  # fmt: skip


def _of_grid(levels: pd.DataFrame, contrasts: pd.DataFrame) -> pd.DataFrame:
    """The levels of the states that some contrast compares, one induction after the other."""
    compared = [
        (row["model"], row[side])
        for _, rows in contrasts.groupby(["model", "induction"], sort=False)
        for _, row in rows.iterrows()
        for side in ("control", "chain")
    ]
    order = pd.DataFrame(list(dict.fromkeys(compared)), columns=["model", "chain"])
    return order.merge(levels, on=["model", "chain"])


def _kept(grid: pd.DataFrame) -> pd.Series:
    """Whether both accounts say as published, or there was no published test."""
    unchanged = [grid[f"outcome_{account}"].isin([KEPT, NO_TEST]) for account in ACCOUNT_WORDS]
    return unchanged[0] & unchanged[1]


def _counted(contrasts: pd.DataFrame, account: str) -> str:
    outcomes = contrasts.loc[contrasts["account"] == account, "outcome"]
    counts = outcomes.value_counts(sort=False)
    parts = [f"{name} {count}" for name, count in counts.items()]
    return f"{ACCOUNT_WORDS[account]}: {', '.join(parts)}."


def _unresolved(results: Results, contrasts: int) -> str | None:
    """A warning where the bootstrap's least p-value is too large for a grid of this size."""
    statistics = results.config["statistics"]
    least = 1 / (int(statistics["bootstrap_samples"]) + 1)
    if statistics["correction"] != "holm" or contrasts * least < results.alpha:
        return None
    return (
        f"With {statistics['bootstrap_samples']:,} bootstrap replicates no p-value is below"
        f" {least:.2g}, so that none of {contrasts} contrasts can be shown once corrected: raise"
        " statistics.bootstrap_samples."
    )


def _contrast_rows(grid: pd.DataFrame, published: PublishedResults) -> Rows:
    return [
        (
            row["model"],
            published.titles[row["contrast"]],
            f"{_name(published, row, 'chain')} vs {_name(published, row, 'control')}",
            _runs(row),
            f"{signed(row['published_all'], 1)} ({p_value_said(row['published_p_all'])})",
            _estimate(row, ALL),
            _p_values(row, ALL),
            _estimate(row, VALID),
            _p_values(row, VALID),
            f"{_share(row['invalid_all'])} / {_share(row['invalid_control_all'])}",
            _outcome(row),
        )
        for _, row in grid.iterrows()
    ]


def _name(published: PublishedResults, row: pd.Series, side: str) -> str:
    """The publication's own name of a state, or the chain of one of ours."""
    return str(published.conditions.get((row["model"], row[side]), row[side]))


def _runs(row: pd.Series) -> str:
    if row["paired_all"] and row["n_seeds_all"] > 1:
        return f"{row['n_seeds_all']} pairs"
    return f"{row['n_seeds_all']} / {row['n_seeds_control_all']}"


def _estimate(row: pd.Series, account: str) -> str:
    value, low, high = (row[f"{name}_{account}"] for name in ("estimate", "ci_low", "ci_high"))
    return (
        MISSING if pd.isna(value) else f"{signed(value, 1)} [{signed(low, 1)}, {signed(high, 1)}]"
    )


def _p_values(row: pd.Series, account: str) -> str:
    found = [p_value_text(row[f"{name}_{account}"]) for name in ("p_value", "p_adjusted")]
    return MISSING if found == [MISSING] * 2 else " → ".join(found)


def _outcome(row: pd.Series) -> str:
    found = list(dict.fromkeys(row[f"outcome_{account}"] for account in ACCOUNT_WORDS))
    return found[0] if len(found) == 1 else f"{found[0]}; unread left out: {found[1]}"


def _level_rows(levels: pd.DataFrame, published: PublishedResults) -> Rows:
    table = by_account(levels, STATE)
    return [
        (
            row["model"],
            _name(published, row, "chain"),
            row["chain"],
            str(row["n_seeds_all"]),
            _plus_minus(row),
            *(_level(row, account) for account in ACCOUNT_WORDS),
            _share(row["n_invalid_all"] / row["n_all"]),
        )
        for _, row in table.iterrows()
    ]


def _plus_minus(row: pd.Series) -> str:
    """As publications print it: the mean over runs, and their sd where there are several."""
    mean, spread = row["run_mean_all"], row["run_sd_all"]
    return _share(mean) if pd.isna(spread) else f"{_share(mean)} ± {_share(spread)}"


def _level(row: pd.Series, account: str) -> str:
    value, low, high = (row[f"{name}_{account}"] for name in ("value", "ci_low", "ci_high"))
    return MISSING if pd.isna(value) else f"{_share(value)} [{_share(low)}, {_share(high)}]"


def _share(value: float) -> str:
    return MISSING if pd.isna(value) else f"{100 * value:.1f}"


def _printed_rows(published: PublishedResults) -> Rows:
    models = published.publication["models"]
    return [
        (
            models[row["model"]], row["condition"], row["figure"], row["printed"],
            row["computed"] or MISSING, "yes" if row["agrees"] else "no",
        )
        for _, row in published.printed.iterrows()
    ]  # fmt: skip
