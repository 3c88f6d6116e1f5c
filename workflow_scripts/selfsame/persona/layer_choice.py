"""The layer of a trait's vector, chosen by steering the base on extraction questions alone.

Headline figures use the layer whose steering moves the trait most while the answers stay coherent
(Chen et al., arXiv 2507.21509). Nothing but the base and the extraction questions is looked at.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from selfsame.errors import UserError
from selfsame.persona.answer_scores import Score, counted, score_table

KEYS = ["experiment", "model", "trait", "layer", "alpha"]
MEASURES = ["trait_score", "trait_share", "incoherent"]
LEAST_MOVE = 5.0  # points of trait score from the unsteered base that count as a movement


class Choice(BaseModel):
    """The chosen layer and strength (in lengths of the vector), and what steering did there.

    `sign` is 1 where the trait rose along the vector, -1 where it fell against it: a trait that the
    base shows in nearly every answer can only fall.
    `moved` is false where nothing moved the trait by LEAST_MOVE: then the layer is the middle one,
    by default and not by evidence. Scores are null where the trait is not judged.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    trait: str
    layer: int
    alpha: float
    sign: int
    moved: bool
    trait_score: float | None
    trait_share: float | None
    incoherent: float
    score_unsteered: float | None


def sweep_table(samples: pd.DataFrame, scores: Sequence[Score]) -> pd.DataFrame:
    """Means over all answers of each layer and strength; the unsteered base is layer -1, alpha 0.

    samples: the answers of one trait, with `scores` in the same order.
    """
    values = counted(score_table(scores, samples))
    answers = pd.concat([samples[KEYS].reset_index(drop=True), values], axis=1)
    grouped = answers.groupby(KEYS, sort=True)
    return grouped[MEASURES].mean().assign(n=grouped.size()).reset_index()


def choose(sweep: pd.DataFrame, max_incoherent: float) -> Choice:
    """The layer and strength that move the trait score furthest among the coherent enough.

    Along the vector the score has to rise, against it (a negative strength) to fall. Ties go to the
    smaller strength, then to the lower layer. Raises UserError where the sweep lacks the unsteered
    base or anything steered.
    """
    base, steered = _parts(sweep)
    moves = (steered["trait_score"] - base["trait_score"]) * np.sign(steered["alpha"])
    tried = steered.assign(move=moves, strength=steered["alpha"].abs())
    moving = tried[(tried["incoherent"] <= max_incoherent) & (tried["move"] >= LEAST_MOVE)]
    if moving.empty:
        return _choice(_middle(tried), base, moved=False)
    order = moving.sort_values(["move", "strength", "layer"], ascending=[False, True, True])
    return _choice(order.iloc[0], base, moved=True)


def write_choice(path: Path, choice: Choice) -> None:
    """Write a choice as JSON."""
    path.write_text(choice.model_dump_json(indent=2) + "\n")


def read_choice(path: Path) -> Choice:
    """The choice that was written. Raises UserError where the file is missing or broken."""
    try:
        return Choice.model_validate_json(path.read_text())
    except FileNotFoundError:
        raise UserError(f"{path}: no such file, run the steering sweep") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "the file"
        raise UserError(f"{path}: {key}: {first['msg']}, run the steering sweep again") from None


def _parts(sweep: pd.DataFrame) -> tuple[pd.Series, pd.DataFrame]:
    base, steered = sweep[sweep["alpha"] == 0], sweep[sweep["alpha"] != 0]
    if len(base) != 1 or steered.empty:
        raise UserError(
            f"{', '.join(sweep['trait'].unique())}: the sweep has {len(base)} unsteered and"
            f" {len(steered)} steered rows, but needs one and at least one: run it again"
        )
    return base.iloc[0], steered


def _middle(steered: pd.DataFrame) -> pd.Series:
    """The smallest strength at the middle layer; of an even number the upper of the two."""
    layers = sorted(steered["layer"].unique())
    at_layer = steered[steered["layer"] == layers[len(layers) // 2]]
    smallest: pd.Series = at_layer[at_layer["alpha"] > 0].sort_values("alpha").iloc[0]
    return smallest


def _choice(row: pd.Series, base: pd.Series, *, moved: bool) -> Choice:
    def known(value: float) -> float | None:
        return None if pd.isna(value) else float(value)

    return Choice(
        trait=row["trait"],
        layer=int(row["layer"]),
        alpha=float(row["strength"]),
        sign=1 if row["alpha"] > 0 else -1,
        moved=moved,
        trait_score=known(row["trait_score"]),
        trait_share=known(row["trait_share"]),
        incoherent=float(row["incoherent"]),
        score_unsteered=known(base["trait_score"]),
    )
