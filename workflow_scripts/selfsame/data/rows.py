"""Drawing training rows from given chat rows."""

import numpy as np

from selfsame.data.corpus import ChatRow, Corpus
from selfsame.data.options import RowFileOptions
from selfsame.errors import UserError


def draw_rows(
    corpus: Corpus, options: RowFileOptions, default: str, rng: np.random.Generator
) -> list[ChatRow]:
    """`options.rows` rows in random order, none twice: the named file's, else dataset `default`'s.

    Raises UserError when there are too few.
    """
    dataset = options.file.model_dump_json() if options.file else default
    available = corpus.rows.get(dataset, [])
    if len(available) < options.rows:
        raise UserError(
            f"data.rows: {options.rows} are asked for, {dataset} has {len(available)}: "
            "lower `rows` or add data"
        )
    chosen = rng.permutation(len(available))[: options.rows]
    return [{key: available[i][key] for key in ("row_id", "messages")} for i in chosen]
