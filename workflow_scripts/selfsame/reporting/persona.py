"""The report's part on persona vectors and relapse: printable tables, sentences and figures.

Everything is text when it leaves this module; the template escapes it.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pandas as pd

from selfsame.config.names import STEER
from selfsame.reporting import persona_figures
from selfsame.reporting.persona_answer import band, beats_null, evidence, recovered, verdict_text
from selfsame.reporting.persona_figures import NULLS, SELECTIONS
from selfsame.reporting.persona_results import (
    CHOSEN,
    CORRELATION,
    COVARIANCE,
    MOVEMENT,
    PersonaResults,
    first,
)
from selfsame.reporting.results import (
    MISSING,
    Results,
    metric_name,
    number,
    p_value_text,
    percent,
)
from selfsame.statistics.recovery import BROKEN_FROM
from selfsame.statistics.settings import BASE

Rows = list[tuple[str, ...]]
Planned = Iterator[tuple[str, str, str, Callable[[], str | None]]]


def section(results: Results, persona: PersonaResults) -> dict[str, Any]:
    """What the template of the section needs, but for the figures."""
    return {
        "trait": persona.trait,
        "broken_from": percent(BROKEN_FROM),
        "extracted": _extracted(persona),
        "separable": _separable(persona),
        "alike": _alike(persona),
        "layers": [_layer_sentence(choice) for choice in persona.choices.values()],
        "states": _states(results, persona),
        "null_sentences": [_null_sentence(persona, t, results.alpha) for t in persona.choices],
        "correlations": _correlations(persona),
        "movements": _movements(persona),
        "geometry": _geometry(results, persona),
        "relapse": _half_doses(results, persona),
        "steered": [arm for arm in _order(results, persona) if STEER in arm],
        "trained_steered": _trained_steered(results.config),
    }


def planned_figures(results: Results) -> Planned:
    """Name, title, caption and drawing of each figure; the drawing is None where data lack."""
    persona = results.persona
    if persona is None:
        return
    yield (
        "steering_sweep", "Steering the base model along the vector",
        "The vector is added to what a layer puts out, at several strengths. Blue: share of answers"
        " that show the trait; red: share that make no sense; dotted: the largest share of those"
        " that a choice may have. Green: the layer and strength that were chosen.",
        lambda: _draw_sweep(results, persona),
    )  # fmt: skip
    yield (
        "shifts", "How far each state has shifted",
        "Mean shift from the base model (0) along the vector at the chosen layer. Bars: means;"
        " circles: seeds; dashed: the misaligned state.",
        lambda: _draw_shifts(results, persona),
    )  # fmt: skip
    yield (
        "recovery", "Behaviour against inner state",
        "Behaviour across, inner state up; black diamonds mark the misaligned state (0, 0) and the"
        " base model (1, 1). Lines are intervals; those that leave the panel go on. Hollow points"
        " are undecided: an interval holds one half. A hollow x is broken: an arm that lost its"
        " coherence.",
        lambda: persona_figures.recovery(
            persona.recovered, _order(results, persona), persona.induced
        ) if persona.recovered["behaviour"].notna().any() else None,
    )  # fmt: skip
    yield (
        "nulls", "The vector against its nulls",
        "Diamonds: what the persona vector shows; grey: the middle 95 % of what other directions"
        " show. A filled diamond has an adjusted p-value below"
        f" {results.alpha:.2f}; a hollow one could be had by chance.",
        lambda: _draw_nulls(results, persona),
    )  # fmt: skip
    yield (
        "relapse", "How soon does the misalignment come back?",
        "The primary metric while each state is trained afresh on the bad advice.",
        lambda: _draw_relapse(results, persona),
    )  # fmt: skip


def _order(results: Results, persona: PersonaResults) -> list[str]:
    """All arms that the persona part knows, in the report's order."""
    tables = (persona.shifts, persona.recovered, persona.relapse)
    return results.ordered(chain for table in tables for chain in table["chain"])


def _extracted(persona: PersonaResults) -> Rows:
    columns = ["n", "n_empty", "n_incoherent", "n_off_trait", "n_kept"]
    return [
        (row["trait"], row["side"], *(f"{row[name]:,}" for name in columns))
        for _, row in persona.counts.iterrows()
    ]


def _separable(persona: PersonaResults) -> Rows:
    """Quality of each trait's vector at its chosen layer."""
    found = {t: first(persona.at_chosen_layer(persona.vectors, t)) for t in persona.choices}
    return [
        (
            trait, str(row["layer"]), number(row["separation"]), number(row["split_half"]),
            number(row["norm"]), f"{row['n_positive']:,} / {row['n_negative']:,}",
        )
        for trait, row in found.items() if row is not None
    ]  # fmt: skip


def _alike(persona: PersonaResults) -> Rows:
    """Cosines between different traits' vectors, at the layer chosen for the first of the two."""
    tables = [persona.at_chosen_layer(persona.cosines, trait) for trait in persona.choices]
    return [
        (row["trait"], row["other"], str(row["layer"]), number(row["cosine"]))
        for table in tables
        for _, row in table[table["trait"] != table["other"]].iterrows()
    ]


def _layer_sentence(choice: Mapping[str, Any]) -> str:
    trait, layer = choice["trait"], choice["layer"]
    if not choice["moved"]:
        return (
            f"{trait}: layer {layer} is an arbitrary choice. At no layer and strength did steering"
            " move the trait while the answers stayed coherent, so the vector has not been shown"
            " to do anything, and what is read along it must be doubted."
        )
    did = "along the vector raised" if choice["sign"] > 0 else "against the vector lowered"
    return (
        f"{trait}: layer {layer}, at strength {choice['alpha']:g}. There steering {did} the base"
        f" model's mean trait score from {number(choice['score_unsteered'], 0)} to"
        f" {number(choice['trait_score'], 0)} of 100: {percent(choice['trait_share'])} % of its"
        f" answers showed the trait and {percent(choice['incoherent'])} % made no sense. No other"
        " layer and strength moved it more while the answers stayed coherent."
    )


def _states(results: Results, persona: PersonaResults) -> Rows:
    if persona.trait is None:
        return []
    shifts = persona.at_chosen_layer(persona.shifts, persona.trait)
    means = shifts.groupby("chain")[["shift", "cosine", "trait_score"]].mean()
    means = means.reindex(_order(results, persona)).reset_index()
    known = means["shift"].notna() | means["chain"].isin(persona.recovered["chain"])
    return [_state(row, persona) for _, row in means[known].iterrows()]


def _state(means: pd.Series, persona: PersonaResults) -> tuple[str, ...]:
    chain, row = means["chain"], persona.recovery_of(means["chain"])
    placed = (
        chain, number(means["shift"]), number(means["cosine"]), number(means["trait_score"], 0),
    )  # fmt: skip
    if row is None:
        roles = {BASE: "the base", **dict.fromkeys(persona.induced, "as induced")}
        return (*placed, *[MISSING] * 5, roles.get(chain, MISSING))
    return (
        *placed, percent(row["incoherent"]), recovered(row, "behaviour"), recovered(row, "latent"),
        p_value_text(row["null_p"]), p_value_text(row["null_p_adjusted"]), verdict_text(row),
    )  # fmt: skip


def _null_sentence(persona: PersonaResults, trait: str, alpha: float) -> str:
    row = persona.correlation_of(trait)
    if row is None:
        return f"{trait}: not tested against random directions."
    said = "beats" if beats_null(row, alpha) else "does not beat"
    return f"{trait}: the vector {said} random directions {evidence(row)}."


def _correlations(persona: PersonaResults) -> Rows:
    return [
        (row["trait"], NULLS[row["null"]], SELECTIONS[row["selection"]], *_against_null(row))
        for _, row in persona.headline_nulls(CORRELATION).iterrows()
    ]


def _movements(persona: PersonaResults) -> Rows:
    return [
        (row["chain"], NULLS[row["null"]], *_against_null(row))
        for _, row in _chosen_movements(persona).iterrows()
    ]


def _chosen_movements(persona: PersonaResults) -> pd.DataFrame:
    rows = persona.headline_nulls(MOVEMENT)
    return rows[(rows["trait"] == persona.trait) & (rows["selection"] == CHOSEN)]


def _against_null(row: pd.Series) -> tuple[str, ...]:
    return (
        number(row["observed"]), band(row), f"{row['n_draws']:,}",
        p_value_text(row["p_value"]), p_value_text(row["p_adjusted"]),
    )  # fmt: skip


def _geometry(results: Results, persona: PersonaResults) -> Rows:
    """Mean cosine of the centroids of base, induced and repaired states at the chosen layer."""
    if persona.trait is None:
        return []
    rows = persona.geometry
    rows = rows[rows["layer"] == persona.choices[persona.trait]["layer"]]
    means = rows.groupby("chain")[["mean_cosine", "n_centroids"]].mean()
    wanted = {BASE, *persona.induced, *persona.recovered["chain"]} & set(means.index)
    shown = means.loc[[chain for chain in _order(results, persona) if chain in wanted]]
    return [
        (str(chain), number(row["mean_cosine"], 3), f"{row['n_centroids']:.0f}")
        for chain, row in shown.iterrows()
    ]


def _half_doses(results: Results, persona: PersonaResults) -> Rows:
    doses = persona.relapse_doses[persona.relapse_doses["metric"] == results.primary]
    largest = persona.relapse["dose"].max()
    rows = {row["chain"]: row for _, row in doses.iterrows()}
    found = [rows[chain] for chain in _order(results, persona) if chain in rows]
    return [
        (
            row["chain"], _half_dose(row, largest), _dose_interval(row, largest),
            f"{row['n_seeds']} × {row['n_items']}",
        )
        for row in found
    ]  # fmt: skip


def _half_dose(row: pd.Series, largest: float) -> str:
    if row["censored"]:
        return f"> {largest:.0f}"
    return "0 (already)" if row["already"] else number(row["half_dose"], 1)


def _dose_interval(row: pd.Series, largest: float) -> str:
    if pd.isna(row["ci_low"]):
        return MISSING
    unbounded = pd.isna(row["ci_high"])
    high = f"> {largest:.0f}" if unbounded else number(row["ci_high"], 1)
    return f"[{number(row['ci_low'], 1)}, {high}]"


def _trained_steered(config: Mapping[str, Any]) -> list[str]:
    """Names of the stages that are steered while they train."""
    stages = config["stages"].items()
    return [name for name, stage in stages if (stage.get("finetuning") or {}).get("steering")]


def _draw_sweep(results: Results, persona: PersonaResults) -> str | None:
    if not persona.sweep["trait"].isin(persona.choices).any():
        return None
    limit = float(results.config["persona"]["sweep"]["max_incoherent"])
    return persona_figures.steering_sweep(persona.sweep, persona.choices, limit)


def _draw_shifts(results: Results, persona: PersonaResults) -> str | None:
    tables = {t: persona.at_chosen_layer(persona.shifts, t) for t in persona.choices}
    tables = {trait: table for trait, table in tables.items() if len(table)}
    if not tables:
        return None
    return persona_figures.where_states_lie(tables, _order(results, persona), persona.induced)


def _draw_nulls(results: Results, persona: PersonaResults) -> str | None:
    movements = _chosen_movements(persona)
    movements = movements[movements["null"] == COVARIANCE]
    correlations = persona.headline_nulls(CORRELATION)
    if movements.empty and correlations.empty:
        return None
    return persona_figures.null_bands(correlations, movements, results.alpha)


def _draw_relapse(results: Results, persona: PersonaResults) -> str | None:
    relapse, doses = persona.relapse, persona.relapse_doses
    relapse = relapse[relapse["metric"] == results.primary]
    if relapse.empty:
        return None
    return persona_figures.relapse_curves(
        relapse,
        doses[doses["metric"] == results.primary],
        _order(results, persona),
        midpoint=_midpoint(relapse, results.config["relapse"]["stage"]),
        reference=BASE,
        metric=metric_name(results.primary),
    )


def _midpoint(relapse: pd.DataFrame, induced: str) -> float:
    """Half way between the base's and the induced state's levels before any fresh induction."""
    levels = relapse[relapse["dose"] == 0].groupby("chain")["value"].mean()
    return float(levels.reindex([BASE, induced]).mean(skipna=False))
