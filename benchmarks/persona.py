"""Peak memory of the persona vectors' steps, on random activations of a stated size.

Run: OMP_NUM_THREADS=1 PYTHONPATH=workflow_scripts python benchmarks/persona.py
         [--blocks N] [--width N] [--rollouts N] ... [--workflow FOLDER]

Writes what the steps before would write: two traits' rollouts, and the read-outs of many states
(links to a few files, to spare the disk). Runs `extract_persona_vectors` and `measure_persona` on
them as processes of their own. `--workflow` takes the scripts of another checkout, to compare with.
The exit status is 1 where a peak exceeds the bound that is reserved (selfsame.persona.footprint).
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from selfsame.digests import canonical
from selfsame.persona.footprint import Amount, vectors_mb
from selfsame.persona.layer_choice import Choice, write_choice
from selfsame.persona.questions import SIDES
from selfsame.persona.storage import CHOICE, HIDDEN, KINDS
from selfsame.persona.stored import places, writing_arrays
from selfsame.tables import parquet
from selfsame.tables.persona_answers import PERSONA_ANSWERS
from selfsame.tables.references import REFERENCES
from selfsame.tables.rollouts import ROLLOUTS
from selfsame.tables.steering_sweep import STEERING_SWEEP
from tables import ROOT, cost

TRAITS = ("evil", "self")
QUESTIONS = [f"question {number}?" for number in range(20)]
KEYS = {"experiment": "many", "model": "random"}
ANSWERED = {"finished": True, "n_tokens": 4}
JUDGE = {"kind": "words", "present": ["bad"]}
INDUCED = {"base": None, "em": None, "em+identify": "em", "em+facts": "em"}
DISTINCT = 3  # files of read-outs, which the states share


@dataclass(frozen=True)
class Size:
    """How much there is. rollouts: kept ones of both sides. answers: of a state, of a trait."""

    blocks: int
    width: int
    rollouts: int
    states: int
    answers: int
    draws: int

    @property
    def bar(self) -> float:
        """MB that may be taken."""
        amount = Amount(len(TRAITS), self.rollouts, self.states, self.draws)
        return vectors_mb(self.blocks, self.width, amount)

    def __str__(self) -> str:
        return (
            f"{len(TRAITS)} traits, {self.blocks} blocks of width {self.width:,},"
            f" {self.rollouts:,} kept rollouts, {self.states:,} states with {self.answers:,}"
            f" answers to a trait, {self.draws:,} draws"
        )


def manifest(folder: Path) -> Path:
    """A step's folder, by its manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text("{}\n", encoding="utf-8")
    return folder / "manifest.json"


def write_random(path: Path, shapes: Mapping[str, tuple[int, ...]], seed: int) -> None:
    """Normal numbers, some rows at a time."""
    rng = np.random.default_rng(seed)
    with writing_arrays(path, shapes) as write:
        for name, (total, *row) in shapes.items():
            for place in places(total, 4 * int(np.prod(row))):
                rows = rng.standard_normal((place.stop - place.start, *row), dtype=np.float32)
                write(name, place.start, rows)


def write_rollouts(size: Size, folder: Path, trait: str) -> Path:
    """Rollouts that the judge keeps, of either side in turn."""
    made = manifest(folder)
    shapes = dict.fromkeys(KINDS, (size.rollouts, size.blocks, size.width))
    write_random(folder / HIDDEN, shapes, TRAITS.index(trait))
    rows = [
        {**KEYS, "trait": trait, "side": SIDES[n % 2], "instruction": 0, **ANSWERED}
        | {
            "item": f"{n // 2 % len(QUESTIONS):04d}",
            "sample": n,
            "text": ("so bad", "so good")[n % 2],
        }
        for n in range(size.rollouts)
    ]
    parquet.write(folder / "rollouts.parquet", rows, ROLLOUTS)
    return made


def write_layer(folder: Path, trait: str) -> Path:
    """The layer that a sweep would have chosen."""
    made = manifest(folder)
    scores = {"trait_score": 80.0, "trait_share": 0.8, "incoherent": 0.0, "score_unsteered": 1.0}
    choice = Choice(trait=trait, layer=0, alpha=1.0, sign=1, moved=True, **scores)
    write_choice(folder / CHOICE, choice)
    parquet.write(folder / "sweep.parquet", [], STEERING_SWEEP)
    return made


def write_states(size: Size, folder: Path) -> Iterator[Path]:
    """The read-outs of all states."""
    row = (size.blocks, size.width)
    shapes = {
        f"{trait}.{kind}": shape
        for trait in TRAITS
        for kind, shape in {
            **dict.fromkeys(("base_prompt_last", "prompt_last"), (len(QUESTIONS), *row)),
            "response_mean": (size.answers, *row),
            **dict.fromkeys(SIDES, row),
        }.items()
    }
    for number in range(size.states):
        chain, seed = list(INDUCED)[number % len(INDUCED)], number // len(INDUCED)
        made = manifest(folder / chain / f"seed{seed}")
        if number < DISTINCT:
            write_random(folder / f"{number}.safetensors", shapes, number)
        os.link(folder / f"{number % DISTINCT}.safetensors", made.parent / HIDDEN)
        write_answers(size, made.parent / "answers.parquet", {**KEYS, "chain": chain, "seed": seed})
        yield made


def write_answers(size: Size, path: Path, keys: Mapping[str, Any]) -> None:
    """Answers of which some are bad."""
    rng = np.random.default_rng([keys["seed"], *keys["chain"].encode()])
    rows = [
        {**keys, "trait": trait, "sample": n, **ANSWERED}
        | {"item": f"{n * len(QUESTIONS) // size.answers:04d}", "text": text}
        for trait in TRAITS
        for n, text in enumerate(rng.choice(["so bad", "so good"], size.answers))
    ]
    parquet.write(path, rows, PERSONA_ANSWERS)


def command(script: str, spec: Mapping[str, Any], out: Path, **inputs: list[Path]) -> list[str]:
    """A step's command."""
    given = [str(word) for role, paths in inputs.items() for word in (f"--{role}", *paths)]
    path = f"workflow_scripts/{script}.py"
    return [sys.executable, path, "--spec", canonical(spec), "--out", str(out), *given]


def extract(folder: Path, trait: str, workflow: Path) -> float:
    """Make a trait's vectors, and return the peak."""
    spec = {
        **KEYS,
        "trait": trait,
        "extraction_questions": QUESTIONS,
        "judge": JUDGE,
        "names": [],
        "filter": {"negative": 101},
        "seed": 0,
    }
    given = {
        "rollouts": [manifest(folder / trait / "rollouts")],
        "data": [manifest(folder / "data")],
    }
    out = folder / trait / "vectors"
    return cost(command("extract_persona_vectors", spec, out, **given), workflow)


def measure(size: Size, folder: Path, states: list[Path], workflow: Path) -> float:
    """Put the states beside the vectors, and return the peak."""
    spec = {
        "traits": {name: {"evaluation_questions": QUESTIONS, "judge": JUDGE} for name in TRAITS},
        "order": list(TRAITS),
        "names": [],
        "nulls": {"draws": size.draws, "components": 10},
        "seed": 0,
        "induced": INDUCED,
    }
    roles = {
        role: [folder / trait / name / "manifest.json" for trait in TRAITS]
        for role, name in {"rollouts": "rollouts", "vectors": "vectors", "layers": "layer"}.items()
    }
    given = {"data": [manifest(folder / "data")], **roles, "states": states}
    return cost(command("measure_persona", spec, folder / "measures", **given), workflow)


def run(size: Size, folder: Path, workflow: Path) -> float:
    """Write the inputs and run both steps; the highest peak in MB."""
    manifest(folder / "data")
    parquet.write(folder / "data" / "references.parquet", [], REFERENCES)
    for trait in TRAITS:
        write_rollouts(size, folder / trait / "rollouts", trait)
        write_layer(folder / trait / "layer", trait)
    states = list(write_states(size, folder / "states"))
    disk = sum(path.stat().st_size / path.stat().st_nlink for path in folder.rglob("*.*"))
    print(f"{size}: {disk / 1e9:.1f} GB on disk", flush=True)
    peaks = []
    for trait in TRAITS:
        print(f"extract_persona_vectors, {trait}")
        peaks.append(extract(folder, trait, workflow))
    print("measure_persona")
    return max(*peaks, measure(size, folder, states, workflow))


def main() -> int:
    """Write the inputs, run both steps; 1 where a peak exceeds what is reserved."""
    parser = argparse.ArgumentParser(description="peak memory of the persona vectors' steps")
    parser.add_argument("--blocks", type=int, default=16)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--rollouts", type=int, default=1200, help="kept ones, of both sides")
    parser.add_argument("--states", type=int, default=150)
    parser.add_argument("--answers", type=int, default=200, help="of a state, of each trait")
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--workflow", type=Path, default=ROOT, help="another checkout's scripts")
    arguments = vars(parser.parse_args())
    workflow = arguments.pop("workflow")
    size = Size(**arguments)
    with tempfile.TemporaryDirectory() as folder:
        peak = run(size, Path(folder), workflow)
    print(f"bar: {size.bar:,.0f} MB")
    return int(peak > size.bar)


if __name__ == "__main__":
    sys.exit(main())
