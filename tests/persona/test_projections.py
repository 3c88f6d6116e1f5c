"""Shifts, projections, cosines and geometry against plain loops over numbers."""

from itertools import combinations
from math import sqrt

import numpy as np
import pandas as pd
import pytest

from selfsame.errors import UserError
from selfsame.persona.projections import (
    Projected,
    Readout,
    geometry_table,
    mean_off_diagonal_cosine,
    project,
    projection_table,
    shift_table,
)
from selfsame.persona.vectors import cosine
from selfsame.tables.parquet import write_frame
from selfsame.tables.persona_measures import GEOMETRY, SHIFTS
from selfsame.tables.projections import PROJECTIONS

QUESTIONS, BLOCKS, WIDTH = 3, 2, 5
ITEMS = ["q2", "q2", "q0", "q0", "q1"]


def _random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def _dot(one, other) -> float:
    return sum(float(a) * float(b) for a, b in zip(one, other, strict=True))


def _along(hidden, vector) -> float:
    return _dot(hidden, vector) / sqrt(_dot(vector, vector))


def _answers(empty: tuple[int, ...] = ()) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "experiment": "default", "model": "organism", "chain": "em", "seed": 1,
            "trait": "evil", "item": ITEMS, "sample": 0,
            "n_tokens": [0 if i in empty else 4 for i in range(len(ITEMS))],
        }
    )  # fmt: skip


def _readout(seed: int) -> Readout:
    return Readout(
        _random(QUESTIONS, BLOCKS, WIDTH, seed=seed),
        _random(len(ITEMS), BLOCKS, WIDTH, seed=seed + 1),
    )


STATE, ORIGIN = _readout(10), _readout(20)
VECTORS = {
    "response_mean": _random(BLOCKS, WIDTH, seed=30),
    "prompt_last": _random(BLOCKS, WIDTH, seed=31),
}
SCORES = [(100.0, 100.0), (None, 0.0), (20.0, 100.0), (0.0, 100.0), (None, 100.0)]


def _with(part: str, value: np.ndarray) -> Readout:
    return Readout(**{**vars(STATE), part: value})


def _projected(
    answers: pd.DataFrame | None = None, state: Readout = STATE, base: Readout = ORIGIN
) -> Projected:
    return project(_answers() if answers is None else answers, state, base, VECTORS)


def _shift_table(
    answers: pd.DataFrame, scores: list, state: Readout, base: Readout
) -> pd.DataFrame:
    return shift_table(answers, scores, _projected(answers, state, base), VECTORS)


def test_shift_against_loops() -> None:
    vector = VECTORS["prompt_last"]
    found = _projected().shifts["prompt_last"]
    for item in range(QUESTIONS):
        for layer in range(BLOCKS):
            pairs = zip(
                STATE.prompt_last[item, layer], ORIGIN.prompt_last[item, layer], strict=True
            )
            difference = [float(a) - float(b) for a, b in pairs]
            assert found[item, layer] == pytest.approx(_along(difference, vector[layer]))


def test_a_shift_does_not_depend_on_the_vector_s_length() -> None:
    vector = VECTORS["prompt_last"]
    found = [
        project(_answers(), STATE, ORIGIN, {"prompt_last": scale * vector}).shifts["prompt_last"]
        for scale in (1, 7)
    ]
    np.testing.assert_allclose(*found, rtol=1e-5)


def test_response_against_loops() -> None:
    responses = STATE.response_mean.copy()
    responses[[1, 4]] = np.nan
    found = _projected(_answers(empty=(1, 4)), _with("response_mean", responses)).responses
    for layer in range(BLOCKS):
        one = [_along(row, VECTORS["response_mean"][layer]) for row in responses[:, layer]]
        assert found[0, layer] == pytest.approx(one[0])  # q2: its second answer is empty
        assert found[1, layer] == pytest.approx((one[2] + one[3]) / 2)
        assert np.isnan(found[2, layer])  # q1: its only answer is empty


def test_mean_shift_and_cosine_against_loops() -> None:
    vector = VECTORS["prompt_last"]
    mean = _projected().mean_shift
    found = cosine(mean, vector)
    for layer in range(BLOCKS):
        by_hand = [
            sum(
                float(STATE.prompt_last[i, layer, w]) - float(ORIGIN.prompt_last[i, layer, w])
                for i in range(QUESTIONS)
            )
            / QUESTIONS
            for w in range(WIDTH)
        ]
        np.testing.assert_allclose(mean[layer], by_hand, rtol=1e-5)
        length = sqrt(_dot(by_hand, by_hand))
        assert found[layer] == pytest.approx(_along(by_hand, vector[layer]) / length)


def test_geometry_against_loops() -> None:
    centroids = _random(4, BLOCKS, WIDTH, seed=5)
    found = mean_off_diagonal_cosine(centroids)
    for layer in range(BLOCKS):
        cosines = [
            _along(one[layer], other[layer]) / sqrt(_dot(one[layer], one[layer]))
            for one, other in combinations(centroids, 2)
        ]
        assert found[layer] == pytest.approx(sum(cosines) / 6)


def test_geometry_of_a_collapsed_and_of_a_lone_centroid() -> None:
    same = np.repeat(_random(1, BLOCKS, WIDTH), 3, axis=0)
    assert mean_off_diagonal_cosine(same).tolist() == pytest.approx([1, 1])
    assert np.isnan(mean_off_diagonal_cosine(same[:1])).all()


def test_projection_table_holds_every_value_at_its_keys() -> None:
    table = projection_table(_answers(), _projected())
    assert len(table) == 2 * QUESTIONS * BLOCKS + QUESTIONS * BLOCKS
    found = table.set_index(["vector", "measure", "item", "layer"])["value"]
    shifts = _projected().shifts["response_mean"]
    for place, item in enumerate(["q2", "q0", "q1"]):
        for layer in range(BLOCKS):
            value = found["response_mean", "shift", item, layer]
            assert value == pytest.approx(shifts[place, layer])
    assert found["response_mean", "response", "q1", 1] == pytest.approx(
        _along(STATE.response_mean[4, 1], VECTORS["response_mean"][1])
    )
    assert ("prompt_last", "response", "q1", 1) not in found.index


def test_shift_table_averages_questions_and_answers() -> None:
    answers = _answers(empty=(1,))
    table = _shift_table(answers, SCORES, STATE, ORIGIN).set_index(["vector", "layer"])
    projections = projection_table(answers, _projected(answers))
    for (kind, layer), row in table.iterrows():
        here = projections[(projections["vector"] == kind) & (projections["layer"] == layer)]
        means = here.groupby("measure")["value"].mean()
        assert row["shift"] == pytest.approx(means["shift"])
        assert row["response"] == pytest.approx(means.get("response", np.nan), nan_ok=True)
        mean = _projected().mean_shift[layer]
        assert row["cosine"] == pytest.approx(cosine(mean, VECTORS[kind][layer]))
    assert table["trait_score"].unique().tolist() == pytest.approx([120 / 5])
    assert table["incoherent"].unique().tolist() == pytest.approx([1 / 5])
    assert table["n"].unique().tolist() == [5]


def test_the_base_has_no_shift_and_no_cosine() -> None:
    table = _shift_table(_answers(), SCORES, ORIGIN, ORIGIN)
    assert (table["shift"] == 0).all()
    assert table["cosine"].isna().all()


def test_an_empty_answer_is_left_out_whatever_its_row_holds() -> None:
    answers = _answers(empty=(1,))
    filled = projection_table(answers, _projected(answers))
    for blank in (np.nan, np.inf):
        responses = STATE.response_mean.copy()
        responses[1] = blank
        other = _projected(answers, _with("response_mean", responses))
        pd.testing.assert_frame_equal(filled, projection_table(answers, other))


def test_a_state_that_answers_nothing_still_has_its_shift() -> None:
    silent = Readout(STATE.prompt_last, np.full_like(STATE.response_mean, np.nan))
    scores = [(None, 0.0)] * len(ITEMS)
    table = _shift_table(_answers(empty=tuple(range(5))), scores, silent, ORIGIN)
    assert table["response"].isna().all()
    assert table["shift"].notna().all()
    assert (table["incoherent"] == 1).all()
    assert (table["trait_score"] == 0).all()


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (_with("prompt_last", STATE.prompt_last[:2]), "3 questions, but activations of 2 and of 3"),
        (_with("response_mean", STATE.response_mean[:2]), "5 answers, but activations of 2"),
        (_with("prompt_last", STATE.prompt_last * np.inf), "activations that are not finite"),
        (_with("response_mean", STATE.response_mean * np.nan), "activations that are not finite"),
    ],
)
def test_misfits_name_the_state(state: Readout, message: str) -> None:
    with pytest.raises(UserError, match=f"em, seed 1, evil: {message}"):
        _projected(state=state)


def test_tables_fit_their_schemas(tmp_path) -> None:
    keys = {"experiment": "default", "model": "organism", "chain": "em", "seed": 1}
    centroids = {"evil.positive": STATE.prompt_last[0], "evil.negative": STATE.prompt_last[1]}
    table = geometry_table(keys, centroids)
    assert table["n_centroids"].tolist() == [2, 2]
    write_frame(tmp_path / "geometry", table, GEOMETRY)
    for vectors in (VECTORS, {"prompt_last": VECTORS["prompt_last"]}):
        projected = project(_answers(), STATE, ORIGIN, vectors)
        shifts = shift_table(_answers(), SCORES, projected, vectors)
        write_frame(tmp_path / "shifts", shifts, SHIFTS)
        projections = projection_table(_answers(), projected)
        write_frame(tmp_path / "projections", projections, PROJECTIONS)
