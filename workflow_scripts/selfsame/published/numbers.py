"""All tables of one publication, from its answers."""

from collections.abc import Mapping, Sequence

import pandas as pd
import pyarrow as pa

from selfsame.published.contrasts import contrast_table
from selfsame.published.grid import chains_of, contrasts, published_states
from selfsame.published.levels import levels, runs
from selfsame.published.observations import EXPERIMENT, observations
from selfsame.published.printed import printed_cells
from selfsame.published.settings import Publication
from selfsame.published.states import Contrast
from selfsame.statistics.scores import scores
from selfsame.statistics.settings import StatisticsSettings
from selfsame.statistics.tally import tallied
from selfsame.tables.observations import OBSERVATIONS
from selfsame.tables.published import PUBLISHED_CONTRASTS, PUBLISHED_LEVELS
from selfsame.tables.published_runs import PRINTED_CELLS, PUBLISHED_RUNS, PUBLISHED_STATES
from selfsame.tables.scores import SCORES

Tables = dict[str, tuple[pd.DataFrame, pa.Schema]]


def published_tables(
    answers: pd.DataFrame, publication: Publication, settings: StatisticsSettings
) -> Tables:
    """From the columns of `read_answers`: every table of the rule by its file's name."""
    table = observations(answers, publication)
    tally = tallied(table)
    by_state = levels(tally, settings)
    wanted = published_contrasts(answers, publication)
    return {
        "observations": (table, OBSERVATIONS),
        "scores": (scores(table), SCORES),
        "states": (_states(answers, publication), PUBLISHED_STATES),
        "runs": (runs(tally), PUBLISHED_RUNS),
        "levels": (by_state, PUBLISHED_LEVELS),
        "contrasts": (contrast_table(tally, wanted, settings), PUBLISHED_CONTRASTS),
        "printed": (printed_cells(publication, by_state), PRINTED_CELLS),
    }


def published_contrasts(
    answers: pd.DataFrame, publication: Publication
) -> Mapping[str, Sequence[Contrast]]:
    """Every contrast of the grid that the answers allow, by the model's full name."""
    found = {}
    for model, of_model in answers.groupby("model", observed=True):
        states = published_states(publication, list(of_model["condition"].unique()))
        wanted = contrasts(publication.contrasts, states)
        if not publication.shared_seeds:
            wanted = [contrast.without_lineage() for contrast in wanted]
        found[publication.models[str(model)]] = wanted
    return found


def _states(answers: pd.DataFrame, publication: Publication) -> pd.DataFrame:
    """What each state's condition is, and how many runs it has."""
    counted = answers.groupby(["model", "condition"], observed=True)["seed"].nunique()
    table = counted.rename("n_runs").reset_index().astype({"model": str, "condition": str})
    conditions, chains = publication.conditions, chains_of(publication)
    return table.assign(
        experiment=EXPERIMENT,
        model=table["model"].map(publication.models),
        chain=table["condition"].map(chains),
        system=["+".join(conditions[name].variants) for name in table["condition"]],
    )
