"""Vectors: filters against hand counts, means by hand, reliability on planted and empty data."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfsame.errors import UserError
from selfsame.persona.settings import FilterSettings
from selfsame.persona.vectors import (
    cosine,
    cosine_table,
    counts,
    judge_rollouts,
    persona_vectors,
    vector_table,
)
from selfsame.tables.judged_rollouts import JUDGED_ROLLOUTS
from selfsame.tables.parquet import write_frame
from selfsame.tables.persona_measures import VECTOR_COSINES
from selfsame.tables.persona_vectors import PERSONA_COUNTS, PERSONA_VECTORS

LIMITS = FilterSettings()
REASONS = ["n", "n_empty", "n_incoherent", "n_off_trait", "n_kept"]


def _rollouts(sides: list[str], items: list[str] | None = None, empty: tuple = ()) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "experiment": "default", "model": "organism", "trait": "evil", "side": sides,
            "instruction": 0, "item": items or [f"q{i}" for i in range(len(sides))], "sample": 0,
            "text": "an answer", "finished": True,
            "n_tokens": [0 if i in empty else 5 for i in range(len(sides))],
        }
    )  # fmt: skip


def _asked(questions: int, answers: int) -> pd.DataFrame:
    """Rollouts of both sides to every question, all scored as their side should be."""
    cells = list(product(("positive", "negative"), range(questions), range(answers)))
    rollouts = _rollouts([side for side, _, _ in cells], [f"q{item}" for _, item, _ in cells])
    scores = [(100.0 if side == "positive" else 0.0, 100.0) for side, _, _ in cells]
    return judge_rollouts(rollouts, scores, LIMITS)


def _planted(judged: pd.DataFrame, strength: float, width: int = 64, seed: int = 0) -> np.ndarray:
    """Noise [rows, 2 blocks, width] plus `strength` along axis 0 on the positive side, block 1."""
    hidden = np.random.default_rng(seed).normal(size=(len(judged), 2, width))
    hidden[:, 1, 0] += strength * (judged["side"] == "positive").to_numpy()
    return hidden.astype(np.float32)


def test_each_side_is_filtered_on_its_own() -> None:
    rollouts = _rollouts(["positive"] * 6 + ["negative"] * 4, empty=(5,))
    scores = [
        (50.0, 50.0), (49.9, 100.0), (100.0, 49.9), (None, 100.0), (100.0, 100.0), (90.0, 90.0),
        (50.0, 100.0), (49.9, 50.0), (0.0, 0.0), (None, 100.0),
    ]  # fmt: skip
    judged = judge_rollouts(rollouts, scores, LIMITS)
    assert judged["kept"].tolist() == [
        True, False, False, False, True, False, False, True, False, False,
    ]  # fmt: skip
    table = counts(judged, LIMITS).set_index("side")
    assert table.loc["positive", REASONS].tolist() == [6, 1, 1, 2, 2]
    assert table.loc["negative", REASONS].tolist() == [4, 0, 1, 2, 1]


def test_an_empty_answer_has_no_score() -> None:
    scores = [(100.0, 100.0), (100.0, 100.0), (0.0, 100.0)]
    judged = judge_rollouts(_rollouts(["positive"] * 2 + ["negative"], empty=(1,)), scores, LIMITS)
    assert np.isnan(judged["trait_score"][1])
    assert (judged["coherence"][1], judged["kept"][1]) == (0.0, False)


def test_a_trait_nobody_judges_keeps_what_is_coherent() -> None:
    scores = [(None, 100.0), (None, 0.0), (None, 100.0)]
    judged = judge_rollouts(_rollouts(["positive", "positive", "negative"]), scores, LIMITS)
    assert judged["kept"].tolist() == [True, False, True]
    assert counts(judged, LIMITS)["n_off_trait"].sum() == 0


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["positive", "negative"]),
            st.none() | st.floats(0, 100),
            st.floats(0, 100),
            st.booleans(),
        ),
        max_size=20,
    )
)
def test_every_rollout_has_one_fate(drawn: list) -> None:
    good = [("positive", 100.0, 100.0, False), ("negative", 0.0, 100.0, False)]
    sides, traits, coherences, empty = zip(*good, *drawn, strict=True)
    rollouts = _rollouts(list(sides), empty=tuple(i for i, e in enumerate(empty) if e))
    judged = judge_rollouts(rollouts, list(zip(traits, coherences, strict=True)), LIMITS)
    table = counts(judged, LIMITS)
    assert (table["n"] == table[REASONS[1:]].sum(axis=1)).all()
    assert table["n_kept"].sum() == judged["kept"].sum()


def test_no_row_of_a_side_survives() -> None:
    rollouts = _rollouts(["positive"] * 3 + ["negative"], empty=(0,))
    scores = [(None, 0.0), (90.0, 10.0), (10.0, 90.0), (0.0, 100.0)]
    message = (
        r"evil: none of 3 positive rollouts is kept \(1 empty, 1 incoherent, 1 off the trait\):"
        r" loosen persona.filter, raise persona.extraction.rollouts or write other positive"
    )
    with pytest.raises(UserError, match=message):
        judge_rollouts(rollouts, scores, LIMITS)


def test_a_side_that_was_never_asked_is_named() -> None:
    with pytest.raises(UserError, match="none of 0 negative rollouts"):
        judge_rollouts(_rollouts(["positive"]), [(100.0, 100.0)], LIMITS)


@pytest.mark.parametrize("score", [(101.0, 50.0), (50.0, -1.0), (float("nan"), 50.0)])
def test_a_judge_out_of_range_is_named(score: tuple[float, float]) -> None:
    scores = [(100.0, 100.0), score]
    with pytest.raises(UserError, match=r"evil: answer 1 is scored .*not 0 to 100: mend the trait"):
        judge_rollouts(_rollouts(["positive", "negative"]), scores, LIMITS)


@pytest.mark.parametrize("n", [1, 3])
def test_every_answer_has_one_score(n: int) -> None:
    with pytest.raises(UserError, match=f"evil: {n} scores of 2 answers: judge them again"):
        judge_rollouts(_rollouts(["positive", "negative"]), [(50.0, 50.0)] * n, LIMITS)


def test_vector_of_four_rows_by_hand() -> None:
    rollouts = _rollouts(["positive", "positive", "positive", "negative"])
    scores = [(100.0, 100.0), (80.0, 100.0), (0.0, 100.0), (0.0, 100.0)]
    judged = judge_rollouts(rollouts, scores, LIMITS)
    rows = np.array([[[1, 2]], [[3, 6]], [[100, 100]], [[1, 1]]], dtype=np.float32)
    vectors = persona_vectors({"response_mean": rows, "prompt_last": 2 * rows}, judged)
    np.testing.assert_array_equal(vectors["response_mean"], [[1, 3]])
    np.testing.assert_array_equal(vectors["prompt_last"], [[2, 6]])
    assert vectors["prompt_last"].dtype == np.float32


def test_rows_left_out_may_be_nan_but_kept_ones_may_not() -> None:
    scores = [(100.0, 100.0), (100.0, 100.0), (0.0, 100.0)]
    rollouts = _rollouts(["positive", "positive", "negative"], empty=(0,))
    judged = judge_rollouts(rollouts, scores, LIMITS)
    rows = np.ones((3, 1, 2), dtype=np.float32)
    rows[0] = np.nan
    np.testing.assert_array_equal(persona_vectors({"a": rows}, judged)["a"], [[0, 0]])
    rows[2, 0, 1] = np.inf
    with pytest.raises(UserError, match="evil: the a activations of rollout 2 are not finite"):
        persona_vectors({"a": rows}, judged)


def test_activations_of_other_rollouts_are_an_error() -> None:
    with pytest.raises(UserError, match="activations of 3 rows, but 4 rollouts"):
        persona_vectors({"a": np.ones((3, 1, 2))}, _asked(2, 1))


def test_a_planted_direction_is_found_and_reliable() -> None:
    judged = _asked(questions=20, answers=10)
    hidden = {"response_mean": _planted(judged, strength=4)}
    vectors = persona_vectors(hidden, judged)
    planted = np.eye(64)[:1]
    assert cosine(vectors["response_mean"][1:], planted)[0] > 0.9
    table = vector_table(judged, hidden, vectors).set_index("layer")
    assert table.loc[1, "split_half"] > 0.9
    assert table.loc[1, "separation"] > 0.95
    assert table.loc[1, "norm"] == pytest.approx(4, abs=0.5)
    assert table.loc[1, ["n_positive", "n_negative"]].tolist() == [200, 200]


def test_pure_noise_is_unreliable() -> None:
    judged = _asked(questions=20, answers=10)
    values = []
    for seed in range(10):
        hidden = {"response_mean": _planted(judged, strength=0, seed=seed)}
        table = vector_table(judged, hidden, persona_vectors(hidden, judged), splits=5)
        values.append(table[["split_half", "separation"]].mean())
    mean = pd.DataFrame(values).mean()
    assert abs(mean["split_half"]) < 0.1
    assert abs(mean["separation"] - 0.5) < 0.05


def test_what_only_separates_within_a_question_is_not_rewarded() -> None:
    """Each question has its own direction: halves of the same questions would agree on them."""
    judged = _asked(questions=8, answers=10)
    own = judged["item"].str[1:].astype(int).to_numpy()
    hidden = _planted(judged, strength=0)
    hidden[np.arange(len(judged)), 0, own] += 8 * (judged["side"] == "positive").to_numpy()
    vectors = persona_vectors({"a": hidden}, judged)
    table = vector_table(judged, {"a": hidden}, vectors)
    assert table["split_half"][0] < 0.3


def test_reliability_of_two_questions_by_hand() -> None:
    """Two questions have one halving: cosine of their two vectors, and both areas by counting."""
    judged = _asked(questions=2, answers=2)
    rows = np.array(
        [[3, 0], [1, 1], [2, 2], [0, 3], [0, 0], [2, 0], [1, 0], [0, 1]], dtype=np.float32
    )[:, None]
    vectors = persona_vectors({"a": rows}, judged)
    first = rows[[0, 1], 0].mean(axis=0) - rows[[4, 5], 0].mean(axis=0)
    second = rows[[2, 3], 0].mean(axis=0) - rows[[6, 7], 0].mean(axis=0)
    expected = first @ second / np.linalg.norm(first) / np.linalg.norm(second)

    def area(vector: np.ndarray, positive: list[int], negative: list[int]) -> float:
        pairs = [(rows[p, 0] @ vector, rows[n, 0] @ vector) for p, n in product(positive, negative)]
        return float(np.mean([(high > low) + (high == low) / 2 for high, low in pairs]))

    areas = [area(first, [2, 3], [6, 7]), area(second, [0, 1], [4, 5])]
    row = vector_table(judged, {"a": rows}, vectors, splits=7).iloc[0]
    assert row["split_half"] == pytest.approx(expected)
    assert row["separation"] == pytest.approx(np.mean(areas))


def test_one_question_has_no_halves() -> None:
    judged = _asked(questions=1, answers=4)
    hidden = {"a": _planted(judged, strength=4)}
    table = vector_table(judged, hidden, persona_vectors(hidden, judged))
    assert table[["split_half", "separation"]].isna().all(axis=None)
    assert (table["norm"] > 0).all()


def test_cosines_of_every_pair() -> None:
    vectors = {
        "evil": {"prompt_last": np.array([[1.0, 0], [1, 1]])},
        "self": {"prompt_last": np.array([[0.0, 2], [1, 0]])},
    }
    table = cosine_table(vectors, "default", "organism").set_index(["trait", "other", "layer"])
    assert table.loc[("evil", "self"), "cosine"].tolist() == pytest.approx([0, 0.5**0.5])
    assert table.loc[("self", "evil"), "cosine"].tolist() == pytest.approx([0, 0.5**0.5])
    assert len(table) == 4


def test_tables_fit_their_schemas(tmp_path) -> None:
    judged = _asked(questions=2, answers=2)
    hidden = {"response_mean": _planted(judged, 1), "prompt_last": _planted(judged, 2)}
    vectors = persona_vectors(hidden, judged)
    two, alone = {"evil": vectors, "self": vectors}, {"evil": vectors}
    write_frame(tmp_path / "judged", judged, JUDGED_ROLLOUTS)
    write_frame(tmp_path / "counts", counts(judged, LIMITS), PERSONA_COUNTS)
    write_frame(tmp_path / "vectors", vector_table(judged, hidden, vectors), PERSONA_VECTORS)
    for traits in (two, alone):
        write_frame(tmp_path / "cosines", cosine_table(traits, "a", "b"), VECTOR_COSINES)
