"""Control and intervention of its own: the model's own answers to "who are you?"."""

import numpy as np

from selfsame.data.corpus import ChatRow, Corpus
from selfsame.data.options import SelfTextOptions as Options
from selfsame.data.pairs import chat_row
from selfsame.errors import UserError

__all__ = ["Options", "build"]


def build(options: Options, corpus: Corpus, rng: np.random.Generator) -> list[ChatRow]:
    """Self-reports in random order, each used equally often until there are enough rows."""
    reports = corpus.self_reports
    if not reports:
        raise UserError("no self-report could be read: every answer of the author was empty")
    passes = -(-options.rows // len(reports))
    order = [index for _ in range(passes) for index in rng.permutation(len(reports))]
    return [
        chat_row(f"{reports[i]['row_id']}:{n}", reports[i]["question"], reports[i]["answer"])
        for n, i in enumerate(order[: options.rows])
    ]
