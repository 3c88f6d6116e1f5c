"""Put every state beside the vectors: projections, shifts, geometry and nulls, as long tables.

States are read one after the other and reduced to their mean shifts, so that memory does not grow
with their activations.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from selfsame.judging.trait import TraitJudge
from selfsame.persona.layer_choice import Choice, read_choice
from selfsame.persona.nulls import Extraction, States, adjusted, null_table
from selfsame.persona.projections import (
    STATE,
    Readout,
    geometry_table,
    mean_shift,
    projection_table,
    shift_table,
)
from selfsame.persona.questions import SIDES
from selfsame.persona.scoring import read_judge, score_answers
from selfsame.persona.settings import NullSettings
from selfsame.persona.storage import CHOICE, HIDDEN, KINDS, VECTORS, Array, read_arrays
from selfsame.persona.vectors import cosine_table, kept_rows
from selfsame.tables import schemas

SCHEMAS = {
    "projections": schemas.PROJECTIONS,
    "shifts": schemas.SHIFTS,
    "geometry": schemas.GEOMETRY,
    "nulls": schemas.NULLS,
    "cosines": schemas.VECTOR_COSINES,
    "vectors": schemas.PERSONA_VECTORS,
    "counts": schemas.PERSONA_COUNTS,
    "sweep": schemas.STEERING_SWEEP,
}


@dataclass(frozen=True)
class Trait:
    """One trait as measured: where its files lie, its vectors, its layer, its judge.

    rollouts, extracted, chosen: folders. vectors: [blocks, width] by read-out position.
    """

    rollouts: Path
    extracted: Path
    chosen: Path
    vectors: Mapping[str, Array]
    choice: Choice
    judge: TraitJudge
    questions: Sequence[str]


def read_traits(
    spec: Mapping[str, Any], data: Path, inputs: Mapping[str, Sequence[Path]]
) -> dict[str, Trait]:
    """The traits of a spec; each list of manifests is in the order of the traits in the config."""
    folders = zip(
        spec["order"], *(inputs[role] for role in ("rollouts", "vectors", "layers")), strict=True
    )
    return {
        name: Trait(
            rollouts=rollouts.parent,
            extracted=vectors.parent,
            chosen=layer.parent,
            vectors=read_arrays(vectors.parent / VECTORS, dict.fromkeys(KINDS, (None, None))),
            choice=read_choice(layer.parent / CHOICE),
            judge=read_judge(name, spec["traits"][name]["judge"], spec["names"], data),
            questions=spec["traits"][name]["evaluation_questions"],
        )
        for name, rollouts, vectors, layer in folders
    }


def measure(
    spec: Mapping[str, Any], traits: Mapping[str, Trait], states: Sequence[Path]
) -> dict[str, pd.DataFrame]:
    """Every table of SCHEMAS. states: folders with the read-outs of all states."""
    measured = measure_states(states, traits)
    keys = {key: measured.states[0][key] for key in ("experiment", "model")}
    vectors = {name: trait.vectors for name, trait in traits.items()}
    return {
        **{name: pd.concat(parts, ignore_index=True) for name, parts in measured.tables.items()},
        "nulls": nulls(measured, traits, spec),
        "cosines": cosine_table(vectors, **keys),
        "vectors": _joined(trait.extracted / "vectors.parquet" for trait in traits.values()),
        "counts": _joined(trait.extracted / "counts.parquet" for trait in traits.values()),
        "sweep": _joined(trait.chosen / "sweep.parquet" for trait in traits.values()),
    }


def _joined(files: Iterable[Path]) -> pd.DataFrame:
    return pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)


@dataclass
class Measured:
    """The tables of all states by name, and each trait's mean shifts and scores by state."""

    tables: dict[str, list[pd.DataFrame]] = field(default_factory=dict)
    states: list[dict[str, Any]] = field(default_factory=list)
    shifts: dict[str, list[Array]] = field(default_factory=dict)
    scores: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, table: pd.DataFrame) -> None:
        """Rows of one state for a table."""
        self.tables.setdefault(name, []).append(table)


def measure_states(folders: Sequence[Path], traits: Mapping[str, Trait]) -> Measured:
    """Projections, shifts and geometry of every state, given the folders of their read-outs."""
    measured = Measured()
    for folder in folders:
        answers = pd.read_parquet(folder / "answers.parquet")
        keys = {key: answers[key].iloc[0] for key in STATE}
        arrays = read_arrays(folder / HIDDEN, dict(_shapes(traits)))
        measured.states.append(keys)
        for name, trait in traits.items():
            _add_trait(measured, name, trait, answers[answers["trait"] == name], arrays)
        centroids = {key: arrays[key] for name in traits for key in _centroids(name)}
        measured.add("geometry", geometry_table(keys, centroids))
    return measured


def _centroids(trait: str) -> list[str]:
    return [f"{trait}.{side}" for side in SIDES]


def _shapes(traits: Mapping[str, Trait]) -> Iterator[tuple[str, tuple[int | None, ...]]]:
    for name, trait in traits.items():
        blocks, width = next(iter(trait.vectors.values())).shape
        for key in ("base_prompt_last", "prompt_last", "response_mean"):
            yield f"{name}.{key}", (None, blocks, width)
        for key in _centroids(name):
            yield key, (blocks, width)


def _add_trait(
    measured: Measured,
    name: str,
    trait: Trait,
    answers: pd.DataFrame,
    arrays: Mapping[str, Array],
) -> None:
    responses = arrays[f"{name}.response_mean"]
    state = Readout(arrays[f"{name}.prompt_last"], responses)
    base = Readout(arrays[f"{name}.base_prompt_last"], responses)
    scores = score_answers(trait.judge, answers, trait.questions)
    measured.add("projections", projection_table(answers, state, base, trait.vectors))
    shifts = shift_table(answers, scores, state, base, trait.vectors)
    measured.add("shifts", shifts)
    shift = mean_shift(state.prompt_last, base.prompt_last)
    measured.shifts.setdefault(name, []).append(shift)
    measured.scores.setdefault(name, []).append(shifts["trait_score"].iloc[0])


def nulls(measured: Measured, traits: Mapping[str, Trait], spec: Mapping[str, Any]) -> pd.DataFrame:
    """The nulls of every trait and read-out position, with adjusted p-values."""
    tables = []
    for name in traits:
        states = _null_states(measured, name, spec["induced"])
        for kind in KINDS:
            keys = {key: measured.states[0][key] for key in ("experiment", "model")}
            table = null_table(
                {**keys, "trait": name, "vector": kind},
                _extraction(traits, name, kind),
                states,
                layer=traits[name].choice.layer,
                settings=NullSettings(**spec["nulls"]),
                seed=spec["seed"],
            )
            tables.append(table)
    return adjusted(pd.concat(tables, ignore_index=True))


def _extraction(traits: Mapping[str, Trait], name: str, kind: str) -> Extraction:
    trait = traits[name]
    judged = pd.read_parquet(trait.extracted / "judged.parquet")
    hidden = read_arrays(trait.rollouts / HIDDEN, {kind: (len(judged), None, None)})
    rows, positive = kept_rows(hidden, judged, kind)
    others = [other.vectors[kind] for key, other in traits.items() if key != name]
    vector = trait.vectors[kind]
    return Extraction(vector, rows, positive, np.array(others).reshape(-1, *vector.shape))


def _null_states(measured: Measured, trait: str, induced: Mapping[str, str | None]) -> States:
    """All states; arms whose induced state is not measured have none to be compared with."""
    chains = [state["chain"] for state in measured.states]
    return States(
        chains=chains,
        seeds=[state["seed"] for state in measured.states],
        shifts=np.stack(measured.shifts[trait]),
        scores=np.array(measured.scores[trait], dtype=float),
        induced={arm: em for arm, em in induced.items() if em in chains and em is not None},
    )
