"""Drawing training rows from given chat rows, with an inoculation where one is asked for."""

import numpy as np

from selfsame.data.corpus import ChatRow, Corpus
from selfsame.data.options import RowFileOptions
from selfsame.errors import UserError


def draw_rows(
    corpus: Corpus, options: RowFileOptions, default: str, rng: np.random.Generator
) -> list[ChatRow]:
    """`options.rows` rows in random order, none twice: the named file's, else dataset `default`'s.

    Which rows, and in which order, does not depend on the inoculation. Raises UserError when there
    are too few.
    """
    dataset = options.file.model_dump_json() if options.file else default
    available = corpus.rows.get(dataset, [])
    if len(available) < options.rows:
        raise UserError(
            f"data.rows: {options.rows} are asked for, {dataset} has {len(available)}: "
            "lower `rows` or add data"
        )
    chosen = rng.permutation(len(available))[: options.rows]
    rows = [{key: available[i][key] for key in ("row_id", "messages")} for i in chosen]
    if options.inoculation is None:
        return rows
    return [inoculated(row, options.inoculation) for row in rows]


def inoculated(row: ChatRow, instruction: str) -> ChatRow:
    """The row under an instruction as its system message, before a system text of its own.

    Inoculation prompting (Tan et al., arXiv 2510.04340): misbehaviour that an instruction calls for
    in training is shown less where nobody asks for it.
    """
    first, *others = row["messages"]
    if first["role"] == "system":
        text = f"{instruction}\n\n{first['content']}"
    else:
        text, others = instruction, row["messages"]
    messages = [{"role": "system", "content": text}, *others]
    return {**row, "messages": messages, "inoculated": True}
