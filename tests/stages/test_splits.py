"""What is held out for tests is in no stage's rows."""

import importlib

import numpy as np
import pytest

from selfsame.config.kinds import discover
from selfsame.tables import parquet
from small_world import REPORTS, Prepared


@pytest.mark.parametrize("kind", sorted(discover("selfsame.stages")))
def test_no_test_article_is_trained_on(small_data: Prepared, kind: str) -> None:
    articles = parquet.read(small_data.folder / "articles.parquet")
    held_out = [row["article"] for row in articles if row["split"] == "test"]
    module = importlib.import_module(f"selfsame.stages.{kind}")
    others = {"recognise": "rival_a", "against": "rival_b"} if kind == "other_author" else {}
    options = module.Options(rows=len(REPORTS) if kind == "self_report" else 100, **others)
    corpus = small_data.corpus("train", ("rival_a", "rival_b"))
    rows = module.build(options, corpus, np.random.default_rng(0))
    texts = [message["content"] for row in rows for message in row["messages"]]
    assert len(held_out) == 30
    assert not [text for text in texts if any(article in text for article in held_out)]
