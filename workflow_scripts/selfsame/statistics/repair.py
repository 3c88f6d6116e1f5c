"""The tables of repair from the folders of their steps: recovery beside relapse."""

import json
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa

from selfsame.statistics.recovery import VECTOR, recovery
from selfsame.statistics.relapse import half_doses, relapse_levels
from selfsame.statistics.settings import StatisticsSettings
from selfsame.statistics.tally import Tally
from selfsame.tables import parquet
from selfsame.tables.projections import PROJECTIONS
from selfsame.tables.recovery import RECOVERY
from selfsame.tables.relapse import RELAPSE, RELAPSE_DOSES
from selfsame.tables.relapse_observations import RELAPSE_OBSERVATIONS

Tables = dict[str, tuple[pd.DataFrame, pa.Schema]]


def recovery_tables(
    answers: Tally,
    measures: Path,
    induced: Mapping[str, str | None],
    settings: StatisticsSettings,
) -> Tables:
    """`recovery`, from the persona measures of all states."""
    chosen = json.loads((measures / "choices.json").read_text(encoding="utf-8"))
    choices = {choice["trait"]: choice["layer"] for choice in chosen}
    table = recovery(
        answers,
        _chosen_shifts(measures / "projections.parquet", choices),
        pd.read_parquet(measures / "nulls.parquet"),
        arms_of={chain: of for chain, of in induced.items() if of is not None},
        choices=choices,
        settings=settings,
    )
    return {"recovery": (table, RECOVERY)}


def _chosen_shifts(path: Path, choices: Mapping[str, int]) -> pd.DataFrame:
    """Of the projections, which are many, only those that recovery is read from."""
    shifts = [("measure", "==", "shift"), ("vector", "==", VECTOR)]
    filters = [
        [("trait", "==", trait), ("layer", "==", layer), *shifts]
        for trait, layer in choices.items()
    ]
    return _read(path, PROJECTIONS, filters)


def _read(path: Path, schema: pa.Schema, filters: parquet.Filters) -> pd.DataFrame:
    frame: pd.DataFrame = parquet.read_table(path, schema, filters).to_pandas()
    return frame


def relapse_tables(folder: Path, induced: str, settings: StatisticsSettings) -> Tables:
    """`relapse` and `relapse_doses`. induced: the chain whose misalignment is to come back."""
    metric = settings.primary_metric
    of_metric = [("metric", "==", metric)]
    file = folder / "observations.parquet"
    observations = _read(file, RELAPSE_OBSERVATIONS, of_metric)
    doses = half_doses(observations, metric, induced, settings)
    return {
        "relapse": (relapse_levels(observations, metric), RELAPSE),
        "relapse_doses": (doses, RELAPSE_DOSES),
    }
