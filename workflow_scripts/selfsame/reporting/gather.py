"""Collect what the report and the terminal show from the folders of an experiment."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from selfsame.digests import read_manifest
from selfsame.reporting.examples import examples
from selfsame.reporting.persona_results import PersonaResults
from selfsame.reporting.results import SURFACE_CUES, Results
from selfsame.statistics.scores import IDENTITY_METRIC
from selfsame.tables import parquet
from selfsame.tables.identity_clusters import FILE as CLUSTERS_FILE
from selfsame.tables.identity_clusters import IDENTITY_CLUSTERS
from selfsame.tables.observations import OBSERVATIONS

EXAMPLE_ITEMS = 3
TEXTS = ["chain", "seed", "probe", "item", "sample", "kind", "text"]  # what `examples` reads
# Endings of the metrics whose observations are shown one class of answer beside the other.
SHOWN_BY_CLASS = tuple(f".{ending}" for ending in (IDENTITY_METRIC, *SURFACE_CUES))
CHOICES = "choices.json"
MEASURES = ("vectors", "counts", "cosines", "sweep", "shifts", "geometry", "nulls")
TABLES = ("recovery", "relapse", "relapse_doses")  # beside the four of every experiment


def read_tables(folder: Path, config: Mapping[str, Any], measures: Path | None = None) -> Results:
    """The tables of an experiment, without examples and loss curves.

    `measures` is the folder of the persona measures; None where none were taken.
    """
    summary = pd.read_parquet(folder / "summary.parquet")
    by_class = [name for name in summary["metric"].unique() if name.endswith(SHOWN_BY_CLASS)]
    return Results(
        observations=_observations(folder, [("metric", "in", pa.array(by_class, pa.string()))]),
        scores=pd.read_parquet(folder / "scores.parquet"),
        summary=summary,
        effects=pd.read_parquet(folder / "effects.parquet"),
        config=config,
        persona=read_persona(folder, measures),
    )


def _observations(folder: Path, filters: parquet.Filters) -> pd.DataFrame:
    """Some of the observations: they may be millions."""
    path = folder / "observations.parquet"
    frame: pd.DataFrame = parquet.read_table(path, OBSERVATIONS, filters).to_pandas()
    return frame


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


def read_clusters(manifests: Sequence[Path]) -> pd.DataFrame | None:
    """The clusters of all states' self-reports; None where there are none."""
    columns = IDENTITY_CLUSTERS.names
    files = [path.parent / CLUSTERS_FILE for path in manifests]
    frames = [pd.read_parquet(file, columns=columns) for file in files]
    return pd.concat(frames, ignore_index=True) if frames else None


def read_losses(adapters: Sequence[Path]) -> pd.DataFrame:
    """Loss curves of all finetunes with columns chain and seed, given their manifests."""
    curves = []
    for path in adapters:
        spec = read_manifest(path)["spec"]
        curve = pd.read_parquet(path.parent / "loss.parquet")
        curves.append(curve.assign(chain=spec["chain"], seed=spec["seed"]))
    return pd.concat(curves, ignore_index=True) if curves else pd.DataFrame()


def read_examples(
    samples: Sequence[Path], prompts: Sequence[Path], tables: Path, probe: str
) -> pd.DataFrame:
    """A few answers of every state to the same questions of a probe. tables: their folder."""
    of_probe = [("probe", "==", probe)]
    first = [*of_probe, ("sample", "==", 0)]
    answers = pd.concat(
        pd.read_parquet(path.parent / "samples.parquet", columns=TEXTS, filters=first)
        for path in samples
    )
    asked = pd.concat(
        pd.read_parquet(path.parent / "prompts.parquet", filters=of_probe) for path in prompts
    )
    first_seed = pa.array(answers["seed"].nsmallest(1), pa.int64())
    judged = _observations(tables, [*first, ("seed", "in", first_seed)])
    return examples(answers, asked, judged, probe, EXAMPLE_ITEMS)
