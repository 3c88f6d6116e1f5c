"""The persona and relapse tables of an experiment, and the rows that its headlines rest on.

`layer` l is the residual stream that leaves block l; the first block is 0. Headlines use the
vector of mean response activations at the layer that steering chose, of the first trait.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pandas as pd
import pyarrow as pa

from selfsame.statistics.recovery import VECTOR
from selfsame.tables.persona_measures import GEOMETRY, NULLS, SHIFTS, VECTOR_COSINES
from selfsame.tables.persona_vectors import PERSONA_COUNTS, PERSONA_VECTORS
from selfsame.tables.recovery import RECOVERY
from selfsame.tables.relapse import RELAPSE, RELAPSE_DOSES
from selfsame.tables.steering_sweep import STEERING_SWEEP

COVARIANCE = "covariance"  # the null that the headline correlation must beat
CORRELATION, MOVEMENT = "correlation", "movement"
CHOSEN = "chosen"


def _empty(schema: pa.Schema) -> pd.DataFrame:
    frame: pd.DataFrame = schema.empty_table().to_pandas()
    return frame


@dataclass(frozen=True)
class PersonaResults:
    """Tables of selfsame.tables; those of a part that was not measured are empty.

    `choices` maps each trait to its choice.json, the deciding trait first: trait, layer, alpha,
    moved, trait_score, trait_share, incoherent, score_unsteered.
    """

    vectors: pd.DataFrame = field(default_factory=partial(_empty, PERSONA_VECTORS))
    counts: pd.DataFrame = field(default_factory=partial(_empty, PERSONA_COUNTS))
    cosines: pd.DataFrame = field(default_factory=partial(_empty, VECTOR_COSINES))
    sweep: pd.DataFrame = field(default_factory=partial(_empty, STEERING_SWEEP))
    shifts: pd.DataFrame = field(default_factory=partial(_empty, SHIFTS))
    geometry: pd.DataFrame = field(default_factory=partial(_empty, GEOMETRY))
    nulls: pd.DataFrame = field(default_factory=partial(_empty, NULLS))
    recovery: pd.DataFrame = field(default_factory=partial(_empty, RECOVERY))
    relapse: pd.DataFrame = field(default_factory=partial(_empty, RELAPSE))
    relapse_doses: pd.DataFrame = field(default_factory=partial(_empty, RELAPSE_DOSES))
    choices: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def trait(self) -> str | None:
        """The deciding trait; None where no persona vector was measured."""
        return next(iter(self.choices), None)

    @property
    def headline_correlation(self) -> pd.Series | None:
        """The deciding trait's correlation with its covariance null; None where not drawn."""
        return None if self.trait is None else self.correlation_of(self.trait)

    @property
    def recovered(self) -> pd.DataFrame:
        """Recovery along the deciding trait, one row per arm."""
        return self.recovery[self.recovery["trait"] == self.trait]

    @property
    def induced(self) -> list[str]:
        """The misaligned states that arms are held against."""
        return list(dict.fromkeys(self.recovered["induced"].dropna()))

    def recovery_of(self, chain: str) -> pd.Series | None:
        """Recovery of one arm along the deciding trait; None where it was not measured."""
        return first(self.recovered[self.recovered["chain"] == chain])

    def at_chosen_layer(self, table: pd.DataFrame, trait: str) -> pd.DataFrame:
        """One trait's rows of a table with trait, vector and layer: the headline vector's."""
        rows = table[(table["trait"] == trait) & (table["vector"] == VECTOR)]
        chosen: pd.DataFrame = rows[rows["layer"] == self.choices[trait]["layer"]]
        return chosen

    def headline_nulls(self, statistic: str) -> pd.DataFrame:
        """Null rows of one statistic for the headline vectors."""
        return self.nulls[(self.nulls["vector"] == VECTOR) & (self.nulls["statistic"] == statistic)]

    def correlation_of(self, trait: str) -> pd.Series | None:
        """Shift against trait score over the states, and its covariance null, chosen layer."""
        rows = self.headline_nulls(CORRELATION)
        rows = rows[(rows["trait"] == trait) & (rows["selection"] == CHOSEN)]
        return first(rows[rows["null"] == COVARIANCE])


def first(rows: pd.DataFrame) -> pd.Series | None:
    """The first row; None where there is none."""
    return None if rows.empty else rows.iloc[0]
