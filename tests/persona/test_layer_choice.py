"""The choice of a layer: means by hand, every rule of the choice, and its file."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from selfsame.errors import UserError
from selfsame.persona.layer_choice import choose, read_choice, sweep_table, write_choice
from selfsame.tables.parquet import write_frame
from selfsame.tables.steering_sweep import STEERING_SWEEP

BASE = (-1, 0.0, 10.0, 0.0)


def _samples(cells: list[tuple[int, float]]) -> pd.DataFrame:
    layers, alphas = zip(*cells, strict=True)
    return pd.DataFrame(
        {
            "experiment": "default", "model": "organism", "trait": "evil",
            "layer": layers, "alpha": alphas, "item": "q", "sample": 0,
        }
    )  # fmt: skip


def _sweep(*rows: tuple[int, float, float, float]) -> pd.DataFrame:
    """Rows of layer, alpha, trait score and share of incoherent answers."""
    table = pd.DataFrame(rows, columns=["layer", "alpha", "trait_score", "incoherent"])
    return table.assign(trait="evil", trait_share=table["trait_score"] / 100)


def test_means_are_over_all_answers() -> None:
    samples = _samples([(-1, 0.0), (-1, 0.0), *[(1, 2.0)] * 5])
    scores = [
        (0.0, 100.0), (30.0, 100.0),
        (100.0, 100.0), (50.0, 50.0), (None, 100.0), (100.0, 49.0), (None, 0.0),
    ]  # fmt: skip
    table = sweep_table(samples, scores)
    assert table["layer"].tolist() == [-1, 1]
    assert table["trait_score"].tolist() == pytest.approx([15, 150 / 5])
    assert table["trait_share"].tolist() == pytest.approx([0, 2 / 5])
    assert table["incoherent"].tolist() == pytest.approx([0, 2 / 5])
    assert table["n"].tolist() == [2, 5]


def test_a_trait_nobody_judges_has_no_score_but_coherence() -> None:
    samples = _samples([(-1, 0.0), (0, 1.0), (1, 1.0)])
    table = sweep_table(samples, [(None, 100.0), (None, 0.0), (None, 100.0)])
    assert table[["trait_score", "trait_share"]].isna().all(axis=None)
    assert table["incoherent"].tolist() == [0, 1, 0]
    choice = choose(table, max_incoherent=0.2)
    assert (choice.moved, choice.layer, choice.trait_score) == (False, 1, None)


def test_a_score_out_of_range_is_an_error() -> None:
    with pytest.raises(UserError, match="evil: answer 0 is scored 130"):
        sweep_table(_samples([(0, 1.0)]), [(130.0, 100.0)])


def test_the_largest_coherent_score_wins() -> None:
    sweep = _sweep(BASE, (0, 1.0, 60.0, 0.1), (1, 1.0, 70.0, 0.2), (2, 1.0, 90.0, 0.21))
    choice = choose(sweep, max_incoherent=0.2)
    assert (choice.layer, choice.alpha, choice.moved) == (1, 1.0, True)
    assert (choice.trait_score, choice.incoherent, choice.score_unsteered) == (70.0, 0.2, 10.0)


def test_ties_go_to_the_smaller_strength_then_the_lower_layer() -> None:
    rows = [(0, 2.0, 70.0, 0.0), (3, 1.0, 70.0, 0.0), (2, 1.0, 70.0, 0.0)]
    assert choose(_sweep(BASE, *rows), 0.2).layer == 2
    assert choose(_sweep(*rows[::-1], BASE), 0.2).layer == 2


def test_a_trait_that_is_always_there_is_moved_against_its_vector() -> None:
    ceiling = (-1, 0.0, 97.0, 0.0)
    sweep = _sweep(ceiling, (0, 1.0, 100.0, 0.0), (0, -1.0, 40.0, 0.0), (1, -2.0, 0.0, 0.3))
    choice = choose(sweep, 0.2)
    assert (choice.layer, choice.alpha, choice.sign, choice.moved) == (0, 1.0, -1, True)
    assert (choice.trait_score, choice.score_unsteered) == (40.0, 97.0)


def test_a_movement_the_wrong_way_is_none() -> None:
    choice = choose(_sweep(BASE, (0, 1.0, 0.0, 0.0), (0, -1.0, 90.0, 0.0)), 0.2)
    assert (choice.moved, choice.alpha, choice.sign) == (False, 1.0, 1)


@pytest.mark.parametrize(("score", "moved"), [(14.9, False), (15.0, True)])
def test_less_than_five_points_is_no_movement(score: float, moved: bool) -> None:
    rows = [(layer, alpha, 10.0, 0.0) for layer in range(4) for alpha in (2.0, 0.5, -0.5)]
    choice = choose(_sweep(BASE, *rows, (0, 1.0, score, 0.0)), 0.2)
    assert choice.moved is moved
    assert (choice.layer, choice.alpha) == ((0, 1.0) if moved else (2, 0.5))


def test_steering_that_only_breaks_the_model_is_no_movement() -> None:
    choice = choose(_sweep(BASE, (0, 1.0, 60.0, 0.5), (1, 1.0, 90.0, 0.9)), 0.2)
    assert (choice.moved, choice.layer, choice.incoherent) == (False, 1, 0.9)


@pytest.mark.parametrize("rows", [[(0, 1.0, 60.0, 0.0)], [BASE]])
def test_half_a_sweep_is_an_error(rows: list) -> None:
    with pytest.raises(UserError, match=r"evil: the sweep has \d unsteered and \d steered rows"):
        choose(_sweep(*rows), 0.2)


@pytest.mark.parametrize("score", [70.0, np.nan])
def test_a_choice_comes_back_from_its_file(tmp_path: Path, score: float) -> None:
    choice = choose(_sweep(BASE, (0, 1.0, score, 0.0)), 0.2)
    write_choice(tmp_path / "choice.json", choice)
    assert read_choice(tmp_path / "choice.json") == choice


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"choice\.json: no such file, run the steering sweep"),
        ('{"trait": "evil"}', r"choice\.json: layer: Field required, run the steering sweep again"),
        ("{", r"choice\.json: the file: Invalid JSON.*run the steering sweep again"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "choice.json").write_text(text)
    with pytest.raises(UserError, match=message):
        read_choice(tmp_path / "choice.json")


def test_the_table_fits_its_schema(tmp_path: Path) -> None:
    table = sweep_table(_samples([(-1, 0.0), (0, 1.0)]), [(0.0, 100.0), (None, 100.0)])
    write_frame(tmp_path / "sweep", table, STEERING_SWEEP)
