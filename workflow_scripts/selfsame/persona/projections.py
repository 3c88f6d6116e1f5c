"""Where a state lies along persona vectors: shifts, projections of answers, cosines, geometry.

Layer l is what leaves block l; arrays are [..., blocks, width] and everything is done at all layers
at once. A shift is taken at the last prompt token, for vectors of either read-out position.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from selfsame.errors import UserError
from selfsame.persona.answer_scores import Score, counted, score_table
from selfsame.persona.storage import RESPONSE_MEAN, Array
from selfsame.persona.vectors import cosine, unit

STATE = ["experiment", "model", "chain", "seed"]


@dataclass(frozen=True)
class Readout:
    """One state's activations of one trait.

    prompt_last: [questions, blocks, width], in the order in which the answers name the questions.
    response_mean: [answers, blocks, width], in the answers' order; NaN where an answer is empty.
    """

    prompt_last: Array
    response_mean: Array


def shift_projections(state: Array, base: Array, vector: Array) -> Array:
    """(h_state - h_base) . v/|v| of each question, [questions, blocks]."""
    return _along(state.astype(np.float64) - base, vector)


def mean_shift(state: Array, base: Array) -> Array:
    """Mean over the questions of h_state - h_base, [blocks, width]."""
    shift: Array = (state.astype(np.float64) - base).mean(axis=0)
    return shift


def response_projections(responses: Array, vector: Array, items: Sequence[str]) -> Array:
    """h . v/|v|, mean over the answers of each question, [questions, blocks].

    items: the question of each answer; the questions come out in the order of their first answers.
    Answers of NaN (empty ones) are left out; a question without any other is NaN.
    """
    values = pd.DataFrame(_along(responses, vector))
    means: Array = values.groupby(np.asarray(items), sort=False).mean().to_numpy()
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


def projection_table(
    answers: pd.DataFrame, state: Readout, base: Readout, vectors: Mapping[str, Array]
) -> pd.DataFrame:
    """`shift` of each question along each vector, and `response` along the response_mean vector.

    answers: the state's answers of one trait. Raises UserError where the read-outs misfit them or
    each other, or are not finite.
    """
    _check(answers, state, base)
    items = answers["item"].tolist()
    tables = [
        _long(shift_projections(state.prompt_last, base.prompt_last, vector), items, kind, "shift")
        for kind, vector in vectors.items()
    ]
    if (vector := vectors.get(RESPONSE_MEAN)) is not None:
        responses = response_projections(_answered(answers, state), vector, items)
        tables.append(_long(responses, items, RESPONSE_MEAN, "response"))
    table = pd.concat(tables, ignore_index=True).assign(**_keys(answers))
    return table[[*STATE, "trait", "vector", "layer", "measure", "item", "value"]]


def shift_table(
    answers: pd.DataFrame,
    scores: Sequence[Score],
    state: Readout,
    base: Readout,
    vectors: Mapping[str, Array],
) -> pd.DataFrame:
    """The state's mean shift, its cosine and its answers' scores, a row per vector and layer.

    scores: of the answers, in their order.
    """
    projections = projection_table(answers, state, base, vectors)
    means = projections.pivot_table("value", ["vector", "layer"], "measure", dropna=False)
    mean = mean_shift(state.prompt_last, base.prompt_last)
    cosines = {
        (kind, layer): value
        for kind, vector in vectors.items()
        for layer, value in enumerate(cosine(mean, vector))
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


def _answered(answers: pd.DataFrame, state: Readout) -> Array:
    """The answers' activations, NaN where the answer is empty."""
    empty = (answers["n_tokens"] == 0).to_numpy()
    return np.where(empty[:, None, None], np.nan, state.response_mean)


def _check(answers: pd.DataFrame, state: Readout, base: Readout) -> None:
    where = (
        f"{answers['chain'].iloc[0]}, seed {answers['seed'].iloc[0]}, {answers['trait'].iloc[0]}"
    )
    questions = answers["item"].nunique()
    if not len(state.prompt_last) == len(base.prompt_last) == questions:
        raise UserError(
            f"{where}: {questions} questions, but activations of {len(state.prompt_last)} and of"
            f" {len(base.prompt_last)} in the base: evaluate both with the same trait file"
        )
    if len(state.response_mean) != len(answers):
        raise UserError(
            f"{where}: {len(answers)} answers, but activations of {len(state.response_mean)}:"
            " evaluate the state again"
        )
    written = state.response_mean[(answers["n_tokens"] > 0).to_numpy()]
    if not all(np.isfinite(part).all() for part in (state.prompt_last, base.prompt_last, written)):
        raise UserError(
            f"{where}: activations that are not finite: the model overflows, load it in float32"
            " or bfloat16"
        )
