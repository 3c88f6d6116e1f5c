"""Collect what the report and the terminal show from the folders of an experiment."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from selfsame.reporting.examples import examples
from selfsame.reporting.results import Results
from selfsame.step import read_manifest

EXAMPLE_ITEMS = 3


def read_tables(folder: Path, config: Mapping[str, Any]) -> Results:
    """The four tables of an experiment, without examples and loss curves."""
    return Results(
        observations=pd.read_parquet(folder / "observations.parquet"),
        scores=pd.read_parquet(folder / "scores.parquet"),
        summary=pd.read_parquet(folder / "summary.parquet"),
        effects=pd.read_parquet(folder / "effects.parquet"),
        config=config,
    )


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
