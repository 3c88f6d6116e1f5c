"""Figures are well-formed, equal for equal tables, and draw what the table holds."""

from xml.etree import ElementTree

import pandas as pd
import pytest

from selfsame.reporting import figures, persona_figures
from selfsame.reporting.persona import planned_figures
from selfsame.reporting.results import Results

PRIMARY = "advice_outside.aligned_coherent"
NAMES = ("forest", "levels", "recognition", "identity", "loss")
INSIDE = ("steering_sweep", "shifts", "recovery", "nulls", "relapse")


def _draw(name: str, results: Results) -> str:
    effects = results.effects[results.effects["metric"] == PRIMARY]
    draws = {
        "forest": lambda: figures.forest(effects),
        "levels": lambda: figures.levels(results.summary, [PRIMARY, "advice_outside.harm"]),
        "recognition": lambda: figures.recognition_against_misalignment(results.scores),
        "identity": lambda: figures.identity(results.observations),
        "loss": lambda: figures.loss_curves(results.losses),
    }
    return draws[name]()


@pytest.mark.parametrize("name", NAMES)
def test_figure_is_well_formed_and_deterministic(experiment, name) -> None:
    svg = _draw(name, experiment)
    assert ElementTree.fromstring(svg).tag.endswith("svg")
    assert svg == _draw(name, experiment)
    assert "<dc:date>" not in svg


def test_persona_figures_are_well_formed_and_deterministic(inside) -> None:
    drawn = {name: draw for name, _, _, draw in planned_figures(inside)}
    assert tuple(drawn) == INSIDE
    for draw in drawn.values():
        svg = draw()
        assert ElementTree.fromstring(svg).tag.endswith("svg")
        assert svg == draw()
        assert "<dc:date>" not in svg


def test_recovery_is_drawn_without_steered_arms_and_without_intervals(inside) -> None:
    table = inside.persona.recovered.dropna(subset=["latent"])
    bare = table.assign(behaviour_low=None, behaviour_high=None, latent_low=None, latent_high=None)
    chains = list(table["chain"])
    shorter = persona_figures.recovery(bare.astype(table.dtypes), chains, ["em"])
    assert len(shorter) < len(persona_figures.recovery(table, chains, ["em"]))


def test_recovery_is_drawn_where_nothing_is_measured_inside(inside) -> None:
    table = inside.persona.recovered
    steered = table[table["latent"].isna()]
    svg = persona_figures.recovery(steered, list(steered["chain"]), ["em"])
    assert ElementTree.fromstring(svg).tag.endswith("svg")


def test_identity_shares_by_hand() -> None:
    table = pd.DataFrame(
        {
            "chain": ["em"] * 5,
            "value": [1.0, 0.0, 0.0, None, 1.0],
            "valid": [True, True, True, False, True],
            "answer_class": ["ada", "bob", "eve", "invalid", "ada"],
        }
    )
    row = figures.identity_shares(table).loc["em"]
    assert row[list(figures.IDENTITY_GROUPS)].tolist() == pytest.approx([0.4, 0.4, 0.2])
    assert row["distinct"] == 3


def test_names_are_drawn_as_they_are_not_read_as_formulas(experiment) -> None:
    effects = experiment.effects[experiment.effects["metric"] == PRIMARY]
    figures.forest(effects.assign(chain="em+$\\broken{$"))


def test_undefined_effects_are_left_out(experiment) -> None:
    effects = experiment.effects[experiment.effects["metric"] == PRIMARY].copy()
    effects.loc[effects["contrast"] == "base", "estimate"] = None
    assert len(figures.forest(effects)) < len(_draw("forest", experiment))
