"""Put every state beside the vectors: projections, shifts, geometry and nulls, as long tables.

States are read one after the other, a part at a time. Rows of the tables that grow with the states
are written at once; what the nulls need of a state, its mean shifts, waits in a file beside them.
Memory grows neither with the states' activations nor with the model's blocks.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from selfsame.judging.trait import TraitJudge
from selfsame.persona.layer_choice import Choice, read_choice
from selfsame.persona.nulls import Extraction, States, adjusted, null_table
from selfsame.persona.projections import (
    STATE,
    Projected,
    Readout,
    geometry_table,
    project,
    projection_table,
    shift_table,
)
from selfsame.persona.questions import SIDES
from selfsame.persona.scoring import read_judge, score_answers
from selfsame.persona.settings import NullSettings
from selfsame.persona.storage import (
    CHOICE,
    HIDDEN,
    KINDS,
    RESPONSE_MEAN,
    VECTORS,
    Array,
    Shape,
    read_arrays,
)
from selfsame.persona.stored import Rows, stored_arrays, writing_arrays
from selfsame.persona.vectors import cosine_table, kept_rows
from selfsame.tables import parquet
from selfsame.tables.persona_measures import GEOMETRY, NULLS, SHIFTS, VECTOR_COSINES
from selfsame.tables.persona_vectors import PERSONA_COUNTS, PERSONA_VECTORS
from selfsame.tables.projections import PROJECTIONS
from selfsame.tables.steering_sweep import STEERING_SWEEP

SCHEMAS = {
    "projections": PROJECTIONS,
    "shifts": SHIFTS,
    "geometry": GEOMETRY,
    "nulls": NULLS,
    "cosines": VECTOR_COSINES,
    "vectors": PERSONA_VECTORS,
    "counts": PERSONA_COUNTS,
    "sweep": STEERING_SWEEP,
}
GROWING = ("projections", "shifts", "geometry")  # with every state

Add = Callable[[str, pd.DataFrame], None]


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

    @property
    def shape(self) -> tuple[int, ...]:
        """Blocks and width."""
        return self.vectors[RESPONSE_MEAN].shape


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
    spec: Mapping[str, Any], traits: Mapping[str, Trait], states: Sequence[Path], out: Path
) -> None:
    """Write every table of SCHEMAS into a folder. states: folders with the read-outs of all."""
    with TemporaryDirectory(dir=out) as folder:
        measured = measure_states(states, traits, out, Path(folder) / "shifts.safetensors")
        tables = {"nulls": nulls(measured, traits, spec)}
    vectors = {name: trait.vectors for name, trait in traits.items()}
    tables["cosines"] = cosine_table(vectors, **measured.model)
    tables["vectors"] = _joined(trait.extracted / "vectors.parquet" for trait in traits.values())
    tables["counts"] = _joined(trait.extracted / "counts.parquet" for trait in traits.values())
    tables["sweep"] = _joined(trait.chosen / "sweep.parquet" for trait in traits.values())
    for name, table in tables.items():
        parquet.write_frame(out / f"{name}.parquet", table, SCHEMAS[name])


def _joined(files: Iterable[Path]) -> pd.DataFrame:
    return pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)


@dataclass(frozen=True)
class Measured:
    """Every state's keys; by trait their mean shifts [states, blocks, width] and trait scores."""

    states: Sequence[Mapping[str, Any]]
    shifts: Mapping[str, Rows]
    scores: Mapping[str, Sequence[float]]

    @property
    def model(self) -> dict[str, str]:
        """The keys that all states share: experiment and model."""
        return {key: self.states[0][key] for key in ("experiment", "model")}


def measure_states(
    folders: Sequence[Path], traits: Mapping[str, Trait], out: Path, shifts: Path
) -> Measured:
    """Write the GROWING tables, given the folders of all states' read-outs.

    shifts: the file that the mean shifts are written to.
    """
    shapes = {name: (len(folders), *trait.shape) for name, trait in traits.items()}
    states: list[dict[str, Any]] = []
    scores: dict[str, list[float]] = {name: [] for name in traits}
    with writing_arrays(shifts, shapes, "F64") as keep, _growing(out) as add:
        for place, folder in enumerate(folders):
            answers = pd.read_parquet(folder / "answers.parquet")
            states.append({key: answers[key].iloc[0] for key in STATE})
            for name, trait in traits.items():
                projected, table = _of_trait(folder, name, trait, answers, add)
                keep(name, place, projected.mean_shift[None])
                scores[name].append(table["trait_score"].iloc[0])
            add("geometry", geometry_table(states[-1], _centroids(folder, traits)))
    return Measured(states, stored_arrays(shifts, shapes), scores)


@contextmanager
def _growing(out: Path) -> Iterator[Add]:
    """A function that adds rows to one of the GROWING tables."""
    with ExitStack() as stack:
        append = {
            name: stack.enter_context(parquet.writing(out / f"{name}.parquet", SCHEMAS[name]))
            for name in GROWING
        }
        yield lambda name, rows: append[name](parquet.table_of_frame(rows, SCHEMAS[name]))


def _of_trait(
    folder: Path, name: str, trait: Trait, answers: pd.DataFrame, add: Add
) -> tuple[Projected, pd.DataFrame]:
    """One state along one trait's vectors: its projections, and its rows of the shifts."""
    own = answers[answers["trait"] == name]
    kinds = ("base_prompt_last", "prompt_last", "response_mean")
    shapes: dict[str, Shape] = {f"{name}.{kind}": (None, *trait.shape) for kind in kinds}
    base, last, responses = stored_arrays(folder / HIDDEN, shapes).values()
    projected = project(own, Readout(last, responses), Readout(base, responses), trait.vectors)
    scores = score_answers(trait.judge, own, trait.questions)
    table = shift_table(own, scores, projected, trait.vectors)
    add("projections", projection_table(own, projected))
    add("shifts", table)
    return projected, table


def _centroids(folder: Path, traits: Mapping[str, Trait]) -> dict[str, Array]:
    shapes = {f"{name}.{side}": trait.shape for name, trait in traits.items() for side in SIDES}
    return read_arrays(folder / HIDDEN, shapes)


def nulls(measured: Measured, traits: Mapping[str, Trait], spec: Mapping[str, Any]) -> pd.DataFrame:
    """The nulls of every trait and read-out position, with adjusted p-values."""
    tables = []
    for name in traits:
        states = _null_states(measured, name, spec["induced"])
        for kind in KINDS:
            table = null_table(
                {**measured.model, "trait": name, "vector": kind},
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
    hidden = stored_arrays(trait.rollouts / HIDDEN, {kind: (len(judged), *trait.shape)})
    others = [other.vectors[kind] for key, other in traits.items() if key != name]
    return Extraction(
        trait.vectors[kind],
        kept_rows(hidden, judged, kind),
        np.array(others).reshape(-1, *trait.shape),
    )


def _null_states(measured: Measured, trait: str, induced: Mapping[str, str | None]) -> States:
    """All states; arms whose induced state is not measured have none to be compared with."""
    chains = [state["chain"] for state in measured.states]
    return States(
        chains=chains,
        seeds=[state["seed"] for state in measured.states],
        shifts=measured.shifts[trait],
        scores=np.array(measured.scores[trait], dtype=float),
        induced={arm: em for arm, em in induced.items() if em in chains and em is not None},
    )
