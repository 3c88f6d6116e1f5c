"""Published answers as observations of ours: one row per answer under the schema OBSERVATIONS."""

import pandas as pd

from selfsame.published.accounts import METRIC
from selfsame.published.grid import chains_of
from selfsame.published.settings import Publication

EXPERIMENT = "published"
CLASSES = {1: "right", 0: "wrong"}
INVALID = "invalid"


def observations(answers: pd.DataFrame, publication: Publication) -> pd.DataFrame:
    """From the columns of `read_answers`, in their order.

    An invalid answer has no value, as everywhere here; how it counts is decided later. The model
    has its full name, and the seed of a run without one is UNNUMBERED.
    """
    chains = chains_of(publication)
    valid = answers["answer"] != publication.answers.invalid
    marks = answers["is_correct"]
    return pd.DataFrame(
        {
            "experiment": EXPERIMENT,
            "model": answers["model"].cat.rename_categories(publication.models),
            "chain": answers["condition"].map(chains).astype("category"),
            "seed": answers["seed"],
            "probe": publication.probe,
            "item": answers["question_id"],
            "cluster": answers["question_id"],
            "sample": 0,
            "metric": f"{publication.probe}.{METRIC}",
            "value": marks.astype(float).where(valid),
            "valid": valid,
            "answer_class": marks.map(CLASSES).where(valid, INVALID).astype("category"),
        }
    ).astype(dict.fromkeys(("experiment", "probe", "metric"), "category"))
