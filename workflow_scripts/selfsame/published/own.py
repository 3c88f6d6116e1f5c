"""Our own answers on the grid of a publication."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

from selfsame.published.accounts import right
from selfsame.published.contrasts import contrast_table
from selfsame.published.levels import levels
from selfsame.published.states import Contrast
from selfsame.statistics.settings import StatisticsSettings
from selfsame.statistics.tally import Tally
from selfsame.tables.published import PUBLISHED_CONTRASTS, PUBLISHED_LEVELS


def own_tables(
    tally: Tally, probe: str, contrasts: Sequence[Mapping[str, Any]], settings: StatisticsSettings
) -> dict[str, tuple[pd.DataFrame, pa.Schema]]:
    """Levels and contrasts of our own answers to the same questions, as those of a publication.

    contrasts: the fields of Contrast, of measured states.
    """
    answered = right(tally, probe)
    wanted = [Contrast(**contrast) for contrast in contrasts]
    by_model = dict.fromkeys(map(str, answered.cells["model"].unique()), wanted)
    return {
        "published_levels": (levels(answered, settings), PUBLISHED_LEVELS),
        "published_contrasts": (
            contrast_table(answered, by_model, settings),
            PUBLISHED_CONTRASTS,
        ),
    }
