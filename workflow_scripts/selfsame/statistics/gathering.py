"""Read the observations of all states, one file after the other: no two are in memory at once."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd

from selfsame.statistics.scores import SCORE_KEYS, scores
from selfsame.statistics.tally import Tally, merged, tallied
from selfsame.tables import parquet
from selfsame.tables.observations import OBSERVATIONS


def gather(files: Iterable[Path], copy: Path) -> tuple[pd.DataFrame, Tally]:
    """The scores and the tally of observations; all their rows go into one file, `copy`.

    Each file holds whole states: UserError where two share a state and metric.
    """
    parts: list[pd.DataFrame] = []

    def tallies() -> Iterator[Tally]:
        with parquet.writing(copy, OBSERVATIONS) as append:
            for file in files:
                table = parquet.read_table(file, OBSERVATIONS)
                append(table)
                observations = table.to_pandas()
                parts.append(scores(observations))
                yield tallied(observations)

    tally = merged(tallies())
    return pd.concat(parts, ignore_index=True).sort_values(SCORE_KEYS, ignore_index=True), tally
