"""The tables of repair from the folders of their steps: recovery beside relapse."""

import json
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa

from selfsame.statistics.recovery import recovery
from selfsame.statistics.relapse import half_doses, relapse_levels
from selfsame.statistics.settings import StatisticsSettings
from selfsame.tables import schemas

Tables = dict[str, tuple[pd.DataFrame, pa.Schema]]


def recovery_tables(
    observations: pd.DataFrame,
    measures: Path,
    induced: Mapping[str, str | None],
    settings: StatisticsSettings,
) -> Tables:
    """`recovery`, from the persona measures of all states."""
    choices = json.loads((measures / "choices.json").read_text(encoding="utf-8"))
    table = recovery(
        observations,
        pd.read_parquet(measures / "projections.parquet"),
        pd.read_parquet(measures / "nulls.parquet"),
        arms_of={chain: of for chain, of in induced.items() if of is not None},
        choices={choice["trait"]: choice["layer"] for choice in choices},
        settings=settings,
    )
    return {"recovery": (table, schemas.RECOVERY)}


def relapse_tables(folder: Path, induced: str, settings: StatisticsSettings) -> Tables:
    """`relapse` and `relapse_doses`. induced: the chain whose misalignment is to come back."""
    observations = pd.read_parquet(folder / "observations.parquet")
    metric = settings.primary_metric
    doses = half_doses(observations, metric, induced, settings)
    return {
        "relapse": (relapse_levels(observations, metric), schemas.RELAPSE),
        "relapse_doses": (doses, schemas.RELAPSE_DOSES),
    }
