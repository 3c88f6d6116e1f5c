"""Collect what the report and the terminal show from the folders of an experiment."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from selfsame.reporting.examples import examples
from selfsame.reporting.persona_results import PersonaResults
from selfsame.reporting.results import Results
from selfsame.step import read_manifest

EXAMPLE_ITEMS = 3
CHOICES = "choices.json"
MEASURES = ("vectors", "counts", "cosines", "sweep", "shifts", "geometry", "nulls")
TABLES = ("recovery", "relapse", "relapse_doses")  # beside the four of every experiment


def read_tables(folder: Path, config: Mapping[str, Any], measures: Path | None = None) -> Results:
    """The tables of an experiment, without examples and loss curves.

    `measures` is the folder of the persona measures; None where none were taken.
    """
    return Results(
        observations=pd.read_parquet(folder / "observations.parquet"),
        scores=pd.read_parquet(folder / "scores.parquet"),
        summary=pd.read_parquet(folder / "summary.parquet"),
        effects=pd.read_parquet(folder / "effects.parquet"),
        config=config,
        persona=read_persona(folder, measures),
    )


def read_persona(folder: Path, measures: Path | None) -> PersonaResults | None:
    """The persona measures and the tables made of them; None where there are neither."""
    paths = [folder / f"{name}.parquet" for name in TABLES]
    if measures is not None:
        paths += [measures / f"{name}.parquet" for name in MEASURES]
    frames = {path.stem: pd.read_parquet(path) for path in paths if path.is_file()}
    return PersonaResults(**frames, choices=_choices(measures)) if frames else None


def _choices(measures: Path | None) -> dict[str, dict[str, Any]]:
    if measures is None:
        return {}
    return {choice["trait"]: choice for choice in json.loads((measures / CHOICES).read_text())}


def read_losses(adapters: Sequence[Path]) -> pd.DataFrame:
    """Loss curves of all finetunes with columns chain and seed, given their manifests."""
    curves = []
    for path in adapters:
        spec = read_manifest(path)["spec"]
        curve = pd.read_parquet(path.parent / "loss.parquet")
        curves.append(curve.assign(chain=spec["chain"], seed=spec["seed"]))
    return pd.concat(curves, ignore_index=True) if curves else pd.DataFrame()


def read_examples(
    samples: Sequence[Path], prompts: Sequence[Path], observations: pd.DataFrame, probe: str
) -> pd.DataFrame:
    """A few answers of every state to the same questions of a probe."""
    wanted = [("probe", "==", probe)]
    answers = [pd.read_parquet(p.parent / "samples.parquet", filters=wanted) for p in samples]
    asked = [pd.read_parquet(p.parent / "prompts.parquet", filters=wanted) for p in prompts]
    return examples(pd.concat(answers), pd.concat(asked), observations, probe, EXAMPLE_ITEMS)
