"""Where a state lies along persona vectors: shifts, projections of answers, cosines, geometry.

Layer l is what leaves block l; arrays are [..., blocks, width] and everything is done at all layers
at once, for some rows at a time. A shift is taken at the last prompt token, for vectors of either
read-out position.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from selfsame.errors import UserError
from selfsame.persona.answer_scores import Score, counted, score_table
from selfsame.persona.storage import RESPONSE_MEAN, Array
from selfsame.persona.stored import Rows, portions
from selfsame.persona.vectors import cosine, unit

STATE = ["experiment", "model", "chain", "seed"]


@dataclass(frozen=True)
class Readout:
    """One state's activations of one trait.

    prompt_last: [questions, blocks, width], in the order in which the answers name the questions.
    response_mean: [answers, blocks, width], in the answers' order; NaN where an answer is empty.
    """

    prompt_last: Rows
    response_mean: Rows


@dataclass(frozen=True)
class Projected:
    """One state's activations of one trait along its vectors.

    shifts: by read-out position, [questions, blocks]; responses: [questions, blocks] along the
    response_mean vector, None where there is none; mean_shift: [blocks, width].
    """

    shifts: Mapping[str, Array]
    responses: Array | None
    mean_shift: Array


def project(
    answers: pd.DataFrame, state: Readout, base: Readout, vectors: Mapping[str, Array]
) -> Projected:
    """Read a state's activations, some rows at a time, and project them.

    answers: the state's answers of one trait. Raises UserError where the read-outs misfit them or
    each other, or are not finite.
    """
    _check(answers, state, base)
    shifts, mean_shift = _shifts(answers, state, base, vectors)
    vector = vectors.get(RESPONSE_MEAN)
    responses = None if vector is None else _responses(answers, state, vector)
    return Projected(shifts, responses, mean_shift)


def _shifts(
    answers: pd.DataFrame, state: Readout, base: Readout, vectors: Mapping[str, Array]
) -> tuple[dict[str, Array], Array]:
    """(h_state - h_base) . v/|v| of each question, and the mean of h_state - h_base over them."""
    parts: dict[str, list[Array]] = {kind: [] for kind in vectors}
    total: Array = np.zeros(state.prompt_last.shape[1:])
    for place, rows in portions(state.prompt_last):
        origin = base.prompt_last[place, :]
        for part in (rows, origin):
            _require_finite(answers, part)
        moved = rows.astype(np.float64) - origin
        for kind, vector in vectors.items():
            parts[kind].append(_along(moved, vector))
        total += moved.sum(axis=0)
    shifts = {kind: np.concatenate(found) for kind, found in parts.items()}
    return shifts, total / state.prompt_last.shape[0]


def _responses(answers: pd.DataFrame, state: Readout, vector: Array) -> Array:
    """h . v/|v|, mean over each question's answers that are not empty, [questions, blocks]."""
    empty = (answers["n_tokens"] == 0).to_numpy()
    found = np.empty(state.response_mean.shape[:2])
    for place, rows in portions(state.response_mean):
        _require_finite(answers, rows, empty[place])
        found[place] = _along(rows, vector)
    found[empty] = np.nan
    return by_question(found, answers["item"])


def by_question(values: Array, items: pd.Series) -> Array:
    """The mean of values [answers, blocks] over the answers of each question, [questions, blocks].

    items: the question of each answer; the questions come out in the order of their first answers.
    Values of NaN (empty answers) are left out; a question without any other is NaN.
    """
    grouped = pd.DataFrame(values).groupby(items.to_numpy(), sort=False)
    means: Array = grouped.mean().to_numpy()
    return means


def mean_off_diagonal_cosine(centroids: Array) -> Array:
    """Mean cosine of all pairs of n centroids [n, blocks, width], [blocks]; NaN for n < 2.

    The sum over pairs is |sum of unit vectors|^2 - sum of their own squared lengths.
    """
    n = len(centroids)
    if n < 2:
        return np.full(centroids.shape[1], np.nan)
    units = unit(centroids)
    pairs = (units.sum(axis=0) ** 2).sum(axis=-1) - (units**2).sum(axis=(0, 2))
    mean: Array = pairs / (n * (n - 1))
    return mean


def projection_table(answers: pd.DataFrame, projected: Projected) -> pd.DataFrame:
    """`shift` of each question along each vector, and `response` along the response_mean vector.

    answers: those that were projected.
    """
    items = answers["item"].tolist()
    tables = [_long(values, items, kind, "shift") for kind, values in projected.shifts.items()]
    if projected.responses is not None:
        tables.append(_long(projected.responses, items, RESPONSE_MEAN, "response"))
    table = pd.concat(tables, ignore_index=True).assign(**_keys(answers))
    return table[[*STATE, "trait", "vector", "layer", "measure", "item", "value"]]


def shift_table(
    answers: pd.DataFrame,
    scores: Sequence[Score],
    projected: Projected,
    vectors: Mapping[str, Array],
) -> pd.DataFrame:
    """The state's mean shift, its cosine and its answers' scores, a row per vector and layer.

    scores: of the answers, in their order.
    """
    projections = projection_table(answers, projected)
    means = projections.pivot_table("value", ["vector", "layer"], "measure", dropna=False)
    cosines = {
        (kind, layer): value
        for kind, vector in vectors.items()
        for layer, value in enumerate(cosine(projected.mean_shift, vector))
    }
    table = means.reindex(columns=["shift", "response"]).reset_index()
    table["cosine"] = [cosines[key] for key in zip(table["vector"], table["layer"], strict=True)]
    judged = counted(score_table(scores, answers))
    levels = {column: judged[column].mean() for column in ("trait_score", "incoherent")}
    table = table.assign(**_keys(answers), **levels, n=len(answers))
    columns = ["shift", "cosine", "response", *levels, "n"]
    return table[[*STATE, "trait", "vector", "layer", *columns]]


def geometry_table(keys: Mapping[str, Any], centroids: Mapping[str, Array]) -> pd.DataFrame:
    """Mean off-diagonal cosine of a state's centroids, [blocks, width] each, a row per layer.

    keys: the state's experiment, model, chain and seed.
    """
    values = mean_off_diagonal_cosine(np.stack(list(centroids.values())))
    table = pd.DataFrame({"layer": range(len(values)), "mean_cosine": values})
    return table.assign(**{key: keys[key] for key in STATE}, n_centroids=len(centroids))


def _along(hidden: Array, vector: Array) -> Array:
    projected: Array = np.einsum("nlw,lw->nl", hidden, unit(vector))
    return projected


def _long(values: Array, items: Sequence[str], kind: str, measure: str) -> pd.DataFrame:
    """One row per question and layer of values [questions, blocks]."""
    questions, blocks = values.shape
    return pd.DataFrame(
        {
            "vector": kind,
            "layer": np.tile(np.arange(blocks), questions),
            "measure": measure,
            "item": np.repeat(list(dict.fromkeys(items)), blocks),
            "value": values.ravel(),
        }
    )


def _keys(answers: pd.DataFrame) -> dict[str, Any]:
    return {key: answers[key].iloc[0] for key in [*STATE, "trait"]}


def _check(answers: pd.DataFrame, state: Readout, base: Readout) -> None:
    questions = answers["item"].nunique()
    own, origin = (readout.prompt_last.shape[0] for readout in (state, base))
    if not own == origin == questions:
        raise UserError(
            f"{_where(answers)}: {questions} questions, but activations of {own} and of"
            f" {origin} in the base: evaluate both with the same trait file"
        )
    if (found := state.response_mean.shape[0]) != len(answers):
        raise UserError(
            f"{_where(answers)}: {len(answers)} answers, but activations of {found}:"
            " evaluate the state again"
        )


def _require_finite(
    answers: pd.DataFrame, rows: Array, exempt: NDArray[np.bool_] | bool = False
) -> None:
    if not (np.isfinite(rows).all(axis=(1, 2)) | exempt).all():
        raise UserError(
            f"{_where(answers)}: activations that are not finite: the model overflows, load it in"
            " float32 or bfloat16"
        )


def _where(answers: pd.DataFrame) -> str:
    first = answers.iloc[0]
    return f"{first['chain']}, seed {first['seed']}, {first['trait']}"
