"""All states side by side, from files made by hand, against numbers by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from selfsame.errors import UserError
from selfsame.persona.layer_choice import Choice, write_choice
from selfsame.persona.measures import SCHEMAS, measure, read_traits
from selfsame.persona.storage import CHOICE, HIDDEN, VECTORS, write_arrays
from selfsame.tables import parquet
from selfsame.tables.judged_rollouts import JUDGED_ROLLOUTS
from selfsame.tables.persona_answers import PERSONA_ANSWERS
from selfsame.tables.references import REFERENCES
from selfsame.tables.steering_sweep import STEERING_SWEEP

KEYS = {"experiment": "x", "model": "m"}
STATES = {"base": 0.0, "em": 4.0, "em+identify": 1.0}  # how far each lies along the first axis
BLOCKS, WIDTH, ITEMS = 2, 3, 2
SPEC = {
    "traits": {
        name: {"evaluation_questions": ["how?", "why?"], "judge": judge}
        for name, judge in {
            "evil": {"kind": "words", "present": ["bad"]},
            "odd": {"kind": "none"},
        }.items()
    },
    "order": ["evil", "odd"],
    "names": [],
    "nulls": {"draws": 20, "components": 2},
    "seed": 0,
    "induced": {"base": None, "em": None, "em+identify": "em"},
}


def manifest(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").touch()
    return folder / "manifest.json"


def trait_files(folder: Path, name: str) -> dict[str, Path]:
    """Rollouts, vectors and layer of a trait whose vector is 2 along its own axis."""
    axis = ("evil", "odd").index(name)
    roles = {role: manifest(folder / name / role) for role in ("rollouts", "vectors", "layers")}
    hidden = np.random.default_rng(axis).normal(size=(8, BLOCKS, WIDTH))
    write_arrays(
        roles["rollouts"].parent / HIDDEN, {"response_mean": hidden, "prompt_last": hidden}
    )
    vector = np.zeros((BLOCKS, WIDTH))
    vector[:, axis] = 2.0
    vectors = roles["vectors"].parent
    write_arrays(vectors / VECTORS, {"response_mean": vector, "prompt_last": vector})
    rows = [
        {**KEYS, "trait": name, "side": side, "instruction": 0, "item": f"{i:04d}", "sample": 0,
         "text": "a b", "finished": True, "n_tokens": 2, "trait_score": 50.0, "coherence": 100.0,
         "kept": True}
        for side in ("positive", "negative") for i in range(4)
    ]  # fmt: skip
    parquet.write(vectors / "judged.parquet", rows, JUDGED_ROLLOUTS)
    for table in ("vectors", "counts"):
        parquet.write(vectors / f"{table}.parquet", [], SCHEMAS[table])
    choice = Choice(
        trait=name, layer=1, alpha=1.0, sign=1, moved=True, trait_score=80.0, trait_share=0.8,
        incoherent=0.0, score_unsteered=1.0,
    )  # fmt: skip
    write_choice(roles["layers"].parent / CHOICE, choice)
    parquet.write(roles["layers"].parent / "sweep.parquet", [], STEERING_SWEEP)
    return roles


def state_folder(folder: Path, chain: str, seed: int, shift: float) -> Path:
    """A state that moved `shift` along the first axis at layer 1, and half of it at layer 0."""
    path = folder / chain / f"seed{seed}"
    path.mkdir(parents=True)
    base = np.ones((ITEMS, BLOCKS, WIDTH))
    moved = base.copy()
    moved[:, :, 0] += np.array([0.5, 1.0]) * (shift + 0.1 * seed * bool(shift))
    arrays: dict[str, Any] = {}
    for trait in SPEC["traits"]:
        arrays |= {f"{trait}.base_prompt_last": base, f"{trait}.prompt_last": moved}
        arrays |= {f"{trait}.response_mean": moved}
        arrays |= {f"{trait}.positive": moved[0], f"{trait}.negative": -moved[0]}
    write_arrays(path / HIDDEN, arrays)
    text = "very bad" if shift > 2 else "very good"
    rows = [
        {**KEYS, "chain": chain, "seed": seed, "trait": trait, "item": f"{i:04d}", "sample": 0,
         "text": text, "finished": True, "n_tokens": 2}
        for trait in SPEC["traits"] for i in range(ITEMS)
    ]  # fmt: skip
    parquet.write(path / "answers.parquet", rows, PERSONA_ANSWERS)
    return path


def measured(data: Path, roles: dict[str, list[Path]], states: list[Path]) -> dict[str, Any]:
    """Every table as it is read again."""
    out = data.parent / "measures"
    out.mkdir()
    measure(SPEC, read_traits(SPEC, data, roles), states, out)
    return {path.stem: pd.read_parquet(path) for path in out.iterdir()}


@pytest.fixture
def inputs(tmp_path: Path) -> tuple[Path, dict[str, list[Path]], list[Path]]:
    data = tmp_path / "data"
    data.mkdir()
    parquet.write(data / "references.parquet", [], REFERENCES)
    files = [trait_files(tmp_path, name) for name in SPEC["order"]]
    roles = {role: [each[role] for each in files] for role in files[0]}
    states = [
        state_folder(tmp_path / "states", chain, seed, shift)
        for chain, shift in STATES.items()
        for seed in (0, 1)
    ]
    return data, roles, states


def test_shifts_are_those_that_were_put_in(inputs) -> None:
    tables = measured(*inputs)
    shifts = tables["shifts"].set_index(["trait", "vector", "chain", "seed", "layer"])["shift"]
    assert shifts["evil", "response_mean", "em", 0, 1] == pytest.approx(4.0)
    assert shifts["evil", "response_mean", "em", 1, 1] == pytest.approx(4.1)
    assert shifts["evil", "response_mean", "em+identify", 0, 0] == pytest.approx(0.5)
    assert shifts["evil", "prompt_last", "base", 1, 1] == 0
    assert (shifts["odd"] == 0).all()  # nobody moved along the second axis
    scores = tables["shifts"].groupby(["trait", "chain"])["trait_score"].first()
    assert (scores["evil", "em"], scores["evil", "base"]) == (100, 0)
    assert np.isnan(scores["odd", "em"])


def test_every_table_has_the_columns_of_its_schema(inputs, tmp_path: Path) -> None:
    tables = measured(*inputs)
    assert set(tables) == set(SCHEMAS)
    for name, schema in SCHEMAS.items():
        parquet.read_table(tmp_path / "measures" / f"{name}.parquet", schema)
    nulls = tables["nulls"]
    moved = nulls[(nulls["statistic"] == "movement") & (nulls["trait"] == "evil")]
    assert set(moved["chain"]) == {"em+identify"}
    chosen = moved[(moved["selection"] == "chosen") & (moved["vector"] == "response_mean")]
    assert chosen["observed"].to_numpy() == pytest.approx(3.0)
    assert nulls.loc[nulls["trait"] == "odd", "statistic"].eq("movement").sum() > 0
    assert tables["cosines"]["cosine"].abs().max() == 0
    # Two vectors and their opposites, the same for both traits: cosines 1, -1, -1, -1, -1, 1.
    assert tables["geometry"]["mean_cosine"].to_numpy() == pytest.approx(-1 / 3)


def test_a_state_of_another_model_is_named(inputs) -> None:
    data, roles, states = inputs
    write_arrays(states[0] / HIDDEN, {"evil.prompt_last": np.zeros((2, 2, 9))})
    with pytest.raises(UserError, match=r"hidden\.safetensors: has no evil\.base_prompt_last"):
        measured(data, roles, states)


def test_activations_that_overflowed_are_named(inputs) -> None:
    data, roles, states = inputs
    path = roles["rollouts"][0].parent / HIDDEN
    hidden = np.full((8, BLOCKS, WIDTH), np.inf)
    write_arrays(path, {"response_mean": hidden, "prompt_last": hidden})
    with pytest.raises(UserError, match="evil: the response_mean activations of rollout 0 are not"):
        measured(data, roles, states)


def test_choices_are_read_as_written(inputs) -> None:
    data, roles, _ = inputs
    traits = read_traits(SPEC, data, roles)
    assert list(traits) == ["evil", "odd"]
    stored = json.loads((roles["layers"][0].parent / CHOICE).read_text())
    assert traits["evil"].choice.model_dump(mode="json") == stored
