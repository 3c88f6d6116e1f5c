"""Nulls: draws against scikit-learn's covariance, statistics by hand, planted and empty worlds."""

import zlib
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.covariance import LedoitWolf

from selfsame.errors import UserError
from selfsame.persona.covariance import covariance_shaped
from selfsame.persona.nulls import (
    Extraction,
    States,
    adjusted,
    correlations,
    empirical_p,
    null_projections,
    null_table,
)
from selfsame.persona.settings import NullSettings
from selfsame.persona.stored import each_block
from selfsame.persona.vectors import KeptRows, cosine
from selfsame.tables.parquet import write_frame
from selfsame.tables.persona_measures import NULLS

KEYS = {
    "experiment": "default", "model": "organism", "trait": "evil", "vector": "prompt_last",
}  # fmt: skip
SETTINGS = NullSettings(draws=99, components=3)
BLOCKS, WIDTH = 3, 48
LAYER = 1
PLANTED = np.eye(WIDTH)[7]


def _rows(rng: np.random.Generator, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """Rows of falling variances [80, blocks, width], the positive ones with `strength` PLANTED."""
    positive = np.arange(80) % 2 == 0
    spectrum = 1 / np.sqrt(1 + np.arange(WIDTH) / 8)
    rows = rng.normal(size=(80, BLOCKS, WIDTH)) * rng.permutation(spectrum)
    return (rows + strength * positive[:, None, None] * PLANTED).astype(np.float32), positive


def _kept(rows: np.ndarray, positive: np.ndarray) -> KeptRows:
    return KeptRows(rows, np.arange(len(rows)), positive, "evil: the prompt_last")


def _extraction(rng: np.random.Generator, strength: float, others: int = 2) -> Extraction:
    rows, positive = _rows(rng, strength)
    vector = rows[positive].mean(axis=0) - rows[~positive].mean(axis=0)
    return Extraction(vector, _kept(rows, positive), rng.normal(size=(others, BLOCKS, WIDTH)))


def _projections(
    extraction: Extraction, shifts: np.ndarray, settings: NullSettings, seed: list[int]
) -> dict[str, np.ndarray]:
    """Of each null, and of the vector itself, [draws, blocks, states]."""
    layers = list(null_projections(extraction, each_block(shifts), settings, seed))
    return {kind: np.stack([layer[kind] for layer in layers], axis=1) for kind in layers[0]}


def _states(rng: np.random.Generator, strength: float) -> States:
    """The base, and three seeds each of em, which goes along PLANTED, and of two arms."""
    chains = ["base", *["em"] * 3, *["em+identify"] * 3, *["em+facts"] * 3]
    levels = np.array([0, *[1] * 3, *[0] * 3, *[0.9] * 3]) * strength
    noise = rng.normal(size=(10, BLOCKS, WIDTH)) / 2
    noise[0] = 0
    scores = 10 + 20 * levels + rng.normal(size=10)
    induced = {"em+identify": "em", "em+facts": "em"}
    shifts = noise + levels[:, None, None] * PLANTED
    return States(chains, [0, *[0, 1, 2] * 3], shifts, scores, induced)


def _table(seed: int, strength: float) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    extraction, states = _extraction(rng, strength), _states(rng, strength)
    return null_table(KEYS, extraction, states, layer=LAYER, settings=SETTINGS, seed=seed)


@pytest.fixture(scope="module")
def planted() -> pd.DataFrame:
    return _table(seed=0, strength=3)


@pytest.mark.parametrize("shape", [(30, 8), (8, 30)])
def test_draws_have_exactly_the_ledoit_wolf_covariance(shape: tuple[int, int]) -> None:
    """The map from the normal numbers to a draw, squared, is scikit-learn's matrix."""
    rows = np.random.default_rng(0).normal(size=shape) * np.arange(1, shape[1] + 1) + 5
    both = np.eye(sum(shape))
    factor = covariance_shaped(rows, both[:, : shape[0]], both[:, shape[0] :])
    np.testing.assert_allclose(factor.T @ factor, LedoitWolf().fit(rows).covariance_, atol=1e-10)


def test_sampled_covariance_comes_close() -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(20, 6)) @ rng.normal(size=(6, 6))
    draws = covariance_shaped(rows, *(rng.normal(size=(40_000, n)) for n in (20, 6)))
    wanted = LedoitWolf().fit(rows).covariance_
    assert np.abs(draws.T @ draws / len(draws) - wanted).max() < 0.05 * np.abs(wanted).max()


def test_permuted_vectors_against_loops() -> None:
    """Few rows have few permutations: each draw must be the vector of one of them."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(4, 1, 3)).astype(np.float32)
    positive = np.array([True, True, True, False])
    extraction = Extraction(rows[0], _kept(rows, positive), np.empty((0, 1, 3)))
    found = _projections(extraction, np.eye(3)[:, None], NullSettings(draws=40), [0])
    possible = []
    for negative in range(4):
        high = np.mean([rows[i, 0] for i in range(4) if i != negative], axis=0)
        vector = (high - rows[negative, 0]).astype(float)
        possible.append(vector / np.linalg.norm(vector))
    places = [
        np.linalg.norm(possible - draw, axis=1).argmin() for draw in found["permutation"][:, 0]
    ]
    assert set(places) == {0, 1, 2, 3}
    np.testing.assert_allclose(found["permutation"][:, 0], np.array(possible)[places], atol=1e-6)


def test_components_and_other_traits_are_unit_directions() -> None:
    extraction = _extraction(np.random.default_rng(0), 1.0)
    shifts = np.repeat(np.eye(WIDTH)[:, None], BLOCKS, axis=1)  # projections = the directions
    found = _projections(extraction, shifts, SETTINGS, [0])
    rows = extraction.rows.rows[:, 2]
    centred = rows - rows.mean(axis=0)
    _, _, axes = np.linalg.svd(centred.astype(float))
    overlap = np.abs(found["components"][:, 2] @ axes[:3].T)
    np.testing.assert_allclose(overlap, np.eye(3), atol=1e-5)
    np.testing.assert_allclose(cosine(found["cross_trait"], extraction.others), 1)
    assert {kind: len(draws) for kind, draws in found.items()} == {
        "covariance": 99, "total_covariance": 99, "permutation": 99,
        "components": 3, "cross_trait": 2, "own": 1,
    }  # fmt: skip
    for draws in found.values():
        np.testing.assert_allclose(np.linalg.norm(draws, axis=-1), 1)


def test_draws_are_seeded_and_components_are_as_many_as_there_can_be() -> None:
    extraction = _extraction(np.random.default_rng(0), 1.0)
    shifts = np.ones((2, BLOCKS, WIDTH))
    one, same, other = (_projections(extraction, shifts, SETTINGS, [s]) for s in (0, 0, 1))
    np.testing.assert_array_equal(one["covariance"], same["covariance"])
    assert (one["covariance"] != other["covariance"]).all()
    kept = extraction.rows
    few = replace(extraction, rows=_kept(kept.rows[:3], kept.positive[:3]))
    assert len(_projections(few, shifts, SETTINGS, [0])["components"]) == 2


def test_correlation_against_scipy() -> None:
    rng = np.random.default_rng(0)
    projections, scores = rng.normal(size=(2, 3, 7)), rng.normal(size=7)
    scores[2] = np.nan  # a state whose answers nobody judged
    known = ~np.isnan(scores)
    found = correlations(projections, scores)
    for draw, layer in np.ndindex(2, 3):
        r = stats.pearsonr(projections[draw, layer, known], scores[known]).statistic
        assert found[draw, layer] == pytest.approx(r)


@pytest.mark.parametrize("scores", [[1.0, 2.0], [5.0] * 4, [1.0, 2.0, np.nan, np.nan]])
def test_correlation_over_too_little_is_undefined(scores: list[float]) -> None:
    projections = np.random.default_rng(0).normal(size=(2, 3, len(scores)))
    assert np.isnan(correlations(projections, np.array(scores))).all()


def test_no_shift_does_not_correlate() -> None:
    assert correlations(np.zeros((1, 1, 4)), np.arange(4.0)).tolist() == [[0]]


@pytest.mark.parametrize(
    ("observed", "p"), [(2.5, 1 / 5), (-2.5, 1 / 5), (2.0, 3 / 5), (0.0, 1.0), (np.nan, np.nan)]
)
def test_p_value_by_hand(observed: float, p: float) -> None:
    null = np.array([1.0, -2.0, 2.0, 0.5])
    assert empirical_p(observed, null) == pytest.approx(p, nan_ok=True)


def _one_dimension(scores: list[float]) -> tuple[Extraction, States]:
    """Width 2, two layers. em at seeds 0 and 1, the arm at 1 and 2: only seed 1 is in both."""
    rows = np.random.default_rng(0).normal(size=(12, 2, 2))
    vector = np.array([[2.0, 0.0], [0.0, 3.0]])
    others = np.array([[[0.0, 1.0], [-1.0, 0.0]], [[3.0, 4.0], [4.0, 3.0]]])
    extraction = Extraction(vector, _kept(rows, np.arange(12) % 2 == 0), others)
    shifts = np.array(
        [[[0, 0], [0, 0]], [[9, 9], [9, 9]], [[5, 1], [2, 4]], [[2, 0], [2, 0]], [[7, 7], [7, 7]]],
        dtype=float,
    )
    chains = ["base", "em", "em", "em+identify", "em+identify"]
    return extraction, States(
        chains, [0, 0, 1, 1, 2], shifts, np.array(scores), {"em+identify": "em"}
    )


def test_rows_by_hand() -> None:
    """em - arm at seed 1 is (3, 1) after block 0, (0, 4) after block 1."""
    extraction, states = _one_dimension([0, 10, 20, 5, 7])
    table = null_table(KEYS, extraction, states, layer=0, settings=SETTINGS, seed=0)
    row = table[table["null"] == "cross_trait"].set_index(["statistic", "selection"])
    moved = row.loc[("movement", "chosen")]
    null = sorted([1.0, (9 + 4) / 5])
    assert moved["chain"] == "em+identify"
    assert moved["observed"] == pytest.approx(3)
    assert (moved["n_draws"], moved["p_value"]) == (2, pytest.approx(1 / 3))
    assert moved["q500"] == pytest.approx(sum(null) / 2)
    assert moved["q025"] == pytest.approx(null[0] + 0.025 * (null[1] - null[0]))
    r = [
        stats.pearsonr([0, 9, 5, 2, 7], [0, 10, 20, 5, 7]).statistic,
        stats.pearsonr([0, 9, 4, 0, 7], [0, 10, 20, 5, 7]).statistic,
    ]
    assert row.loc[("correlation", "chosen"), "observed"] == pytest.approx(r[0])
    assert row.loc[("correlation", "max"), "observed"] == pytest.approx(max(np.abs(r)))
    assert pd.isna(row.loc[("correlation", "chosen"), "chain"])


def test_the_largest_movement_is_in_units_of_the_covariance_null() -> None:
    extraction, states = _one_dimension([0, 10, 20, 5, 7])
    table = null_table(KEYS, extraction, states, layer=0, settings=SETTINGS, seed=0)
    rows = table[table["statistic"] == "movement"].set_index(["null", "selection"])
    # The generator of `null_table`, on the difference em - arm as if it were the only state.
    difference = (states.shifts[2] - states.shifts[3])[None]
    seed = [0, zlib.crc32(b"evil/prompt_last")]
    draws = _projections(extraction, difference, SETTINGS, seed)
    scale = draws["covariance"][..., 0].std(axis=0)
    observed = rows.loc[("covariance", "max"), "observed"]
    assert observed == pytest.approx(max(3 / scale[0], 4 / scale[1]))
    largest = np.abs(draws["permutation"][..., 0] / scale).max(axis=1)
    assert rows.loc[("permutation", "max"), "q975"] == pytest.approx(np.quantile(largest, 0.975))


def test_an_arm_that_did_not_move_beats_nothing() -> None:
    extraction, states = _one_dimension([0, 10, 20, 5, 7])
    shifts = states.shifts.copy()
    shifts[3] = shifts[2]
    states = replace(states, shifts=shifts)
    table = null_table(KEYS, extraction, states, layer=0, settings=SETTINGS, seed=0)
    moved = table[table["statistic"] == "movement"]
    assert (moved["observed"] == 0).all()
    assert (moved["p_value"] == 1).all()


def test_a_planted_direction_beats_the_nulls(planted: pd.DataFrame) -> None:
    rows = planted.set_index(["statistic", "chain", "selection", "null"])["p_value"]
    for null in ("covariance", "permutation"):
        for selection in ("chosen", "max"):
            assert rows["movement", "em+identify", selection, null] <= 0.02
    assert rows["movement", "em+facts", "chosen", "covariance"] > 0.05


def test_no_direction_gives_a_null_result() -> None:
    tables = pd.concat([_table(seed, strength=0) for seed in range(1, 41)])
    tables = tables[tables["null"].isin(["covariance", "permutation"])]
    small = (tables["p_value"] < 0.1).groupby(
        [tables["statistic"], tables["selection"], tables["null"]]
    )
    assert len(small) == 8
    assert (small.mean() < 0.3).all()
    assert tables["p_value"].between(0.4, 0.6).mean() > 0.1


def test_too_few_states_leave_the_correlation_null() -> None:
    extraction, states = _one_dimension([7.0] * 5)
    table = null_table(KEYS, extraction, states, layer=0, settings=SETTINGS, seed=0)
    rows = adjusted(table)
    undefined = rows["statistic"] == "correlation"
    columns = ["observed", "q025", "q500", "q975", "p_value", "p_adjusted"]
    assert rows.loc[undefined, columns].isna().all(axis=None)
    assert rows.loc[~undefined, columns].notna().all(axis=None)


def test_one_trait_alone_has_no_cross_trait_rows() -> None:
    rng = np.random.default_rng(0)
    extraction, states = _extraction(rng, 1, others=0), _states(rng, 1)
    table = null_table(KEYS, extraction, states, layer=0, settings=SETTINGS, seed=0)
    assert set(table["null"]) == {"covariance", "total_covariance", "permutation", "components"}
    assert len(table) == 4 * 2 * (1 + 2)


def test_benjamini_hochberg_by_hand() -> None:
    """p (1..4 of 4, sorted) times 4 / rank, made monotone from the largest down."""
    p_values = [0.04, np.nan, 0.01, 0.03, 0.5, 0.01]
    table = pd.DataFrame({"p_value": p_values}).assign(
        **KEYS, statistic="movement", selection=["chosen"] * 5 + ["max"]
    )
    found = adjusted(table)["p_adjusted"]
    wanted = [0.04 * 4 / 3, np.nan, 0.04, 0.04 * 4 / 3, 0.5, 0.01]
    assert found.tolist() == pytest.approx(wanted, nan_ok=True)


def test_both_vectors_are_one_family(planted: pd.DataFrame) -> None:
    both = pd.concat([planted, planted.assign(vector="response_mean")], ignore_index=True)
    rows = both[(both["statistic"] == "movement") & (both["selection"] == "max")]
    wanted = stats.false_discovery_control(rows["p_value"])
    assert adjusted(both).loc[rows.index, "p_adjusted"].tolist() == pytest.approx(wanted)


def test_mistakes_are_named() -> None:
    extraction, states = _one_dimension([0, 10, 20, 5, 7])

    def run(layer: int = 0, states: States = states) -> None:
        null_table(KEYS, extraction, states, layer=layer, settings=SETTINGS, seed=0)

    with pytest.raises(UserError, match="layer 2: the vector has layers 0 to 1"):
        run(layer=2)
    with pytest.raises(UserError, match=r"shifts of shape \[2, 1\] a state, but a vector of shape"):
        run(states=replace(states, shifts=states.shifts[..., :1]))
    with pytest.raises(UserError, match=r"em\+identify: shares no seed with longer"):
        run(states=replace(states, induced={"em+identify": "longer"}))


def test_the_table_fits_its_schema(tmp_path, planted: pd.DataFrame) -> None:
    write_frame(tmp_path / "nulls", adjusted(planted), NULLS)
