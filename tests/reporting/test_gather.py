"""Tables are read from an experiment's folders; what is not there was not measured."""

import json
from pathlib import Path

import pandas as pd
import pytest

from reporting.persona_tables import choice, persona_results
from selfsame.reporting.gather import MEASURES, TABLES, read_tables
from selfsame.reporting.results import Results


@pytest.fixture
def tables(tmp_path: Path, experiment: Results) -> Path:
    folder = tmp_path / "tables"
    folder.mkdir()
    for name in ("observations", "scores", "summary", "effects"):
        getattr(experiment, name).to_parquet(folder / f"{name}.parquet")
    return folder


def _write(folder: Path, names: tuple[str, ...]) -> None:
    folder.mkdir(exist_ok=True)
    for name in names:
        getattr(persona_results(), name).to_parquet(folder / f"{name}.parquet")


def test_without_persona_and_relapse_there_is_none(tables, experiment) -> None:
    results = read_tables(tables, experiment.config)
    assert results.persona is None
    assert results.arms == experiment.arms


def test_relapse_alone_is_read(tables, experiment) -> None:
    _write(tables, ("relapse", "relapse_doses"))
    persona = read_tables(tables, experiment.config).persona
    assert len(persona.relapse) == len(persona_results().relapse)
    assert persona.recovered.empty
    assert persona.trait is None


def test_all_measures_are_read_and_the_first_choice_decides(tables, experiment, tmp_path) -> None:
    _write(tables, TABLES)
    _write(tmp_path / "measures", MEASURES)
    choices = [choice("evil"), choice("self", layer=1)]
    (tmp_path / "measures" / "choices.json").write_text(json.dumps(choices))
    persona = read_tables(tables, experiment.config, tmp_path / "measures").persona
    assert persona.trait == "evil"
    assert persona.choices["self"]["layer"] == 1
    for name in (*TABLES, *MEASURES):
        assert len(getattr(persona, name)) == len(getattr(persona_results(), name))
    assert set(persona.at_chosen_layer(persona.vectors, "self")["layer"]) == {1}
    assert isinstance(persona.vectors, pd.DataFrame)
