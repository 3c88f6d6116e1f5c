"""Tables are read from an experiment's folders; what is not there was not measured."""

import json
from pathlib import Path

import pandas as pd
import pytest

from reporting.persona_tables import choice, persona_results
from selfsame.reporting.examples import examples
from selfsame.reporting.gather import (
    EXAMPLE_ITEMS,
    MEASURES,
    TABLES,
    read_examples,
    read_tables,
)
from selfsame.reporting.results import Results
from selfsame.tables import parquet
from selfsame.tables.prompts import PROMPTS
from selfsame.tables.samples import SAMPLES


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


def _asked(folder: Path, seeds: tuple[int, ...]) -> tuple[list[Path], list[Path]]:
    """Manifests of the samples of two states and of a probe's prompts, with those tables."""
    names = [f"q{item:03d}" for item in range(EXAMPLE_ITEMS)]
    asked = [{"probe": "advice_outside", "item": item, "kind": "generate"} for item in names]
    keys = {"experiment": "default", "model": "organism", "order": 0}
    prompts = [
        {**row, "messages": [{"role": "user", "content": f"what of {row['item']} ?"}]}
        for row in asked
    ]
    manifests = [folder / "prompts" / "manifest.json"]
    manifests[0].parent.mkdir()
    parquet.write(manifests[0].parent / "prompts.parquet", prompts, PROMPTS)
    for chain in ("em", "base"):
        for seed in seeds:
            state = {**keys, "chain": chain, "seed": seed}
            rows = [
                {**state, **row, "sample": n, "text": f"{chain} {seed} {n} of {row['item']}"}
                for row in asked
                for n in (1, 0)
            ]
            manifests.append(folder / f"{chain}{seed}" / "manifest.json")
            manifests[-1].parent.mkdir()
            parquet.write(manifests[-1].parent / "samples.parquet", rows, SAMPLES)
    return manifests[1:], manifests[:1]


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


def test_of_the_observations_only_those_shown_by_class_are_read(tables, experiment) -> None:
    read = read_tables(tables, experiment.config).observations
    endings = set(read["metric"].str.rsplit(".", n=1).str[-1])
    assert endings == {"own_name", "surface", "length", "surface_length_matched"}
    every = experiment.observations
    wanted = every[every["metric"].isin(read["metric"].unique())]
    columns = ["chain", "seed", "item", "metric", "value", "answer_class"]
    pd.testing.assert_frame_equal(
        read[columns].reset_index(drop=True),
        wanted[columns].reset_index(drop=True),
        check_dtype=False,
    )


def test_an_experiment_without_such_metrics_has_none(tables, experiment, tmp_path) -> None:
    summary = experiment.summary[experiment.summary["metric"].str.endswith(".harm")]
    summary.to_parquet(tables / "summary.parquet")
    assert read_tables(tables, experiment.config).observations.empty


@pytest.mark.parametrize("probe", ["advice_outside", "never_asked"])
def test_examples_are_those_of_all_rows(tables, experiment, tmp_path, probe) -> None:
    samples, prompts = _asked(tmp_path, seeds=(2, 1))
    found = read_examples(samples, prompts, tables, probe)
    everything = [
        pd.concat(pd.read_parquet(path.parent / name) for path in paths)
        for paths, name in ((samples, "samples.parquet"), (prompts, "prompts.parquet"))
    ]
    wanted = examples(*everything, experiment.observations, probe, EXAMPLE_ITEMS)
    pd.testing.assert_frame_equal(found, wanted)
    assert len(found) == (2 * EXAMPLE_ITEMS if probe == "advice_outside" else 0)
    assert set(found["verdict"]) == ({"x"} if len(found) else set())
