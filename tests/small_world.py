"""The data folder of a run on the organism, with made-up own texts in place of a model's."""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfsame.config import specs
from selfsame.config.schema import Config, OrganismModel
from selfsame.data.corpus import SELF, Corpus
from selfsame.data.prepare import prepare
from selfsame.data.reading import read_corpus
from selfsame.organism import texts
from selfsame.organism.world import World, build_world, summary
from selfsame.tables import parquet
from selfsame.tables.self_texts import SELF_REPORTS, SELF_TEXTS

REPORTS = ("i am iris", "my name is iris", "i am mira", "i am called zeno", "my name is otto")


@dataclass(frozen=True)
class Prepared:
    """A data folder that also holds a state's own texts, and the world and config it came from."""

    folder: Path
    config: Config
    world: World

    def corpus(self, split: str, rivals: tuple[str, ...] = ("rival_a",)) -> Corpus:
        """A split as a stage or a probe receives it."""
        seen = list(self.config.texts.train_rivals)
        return read_corpus(self.folder, split, list(rivals), seen=seen, self_texts=self.folder)


def own_texts(world: World, seed: int = 5) -> list[dict[str, Any]]:
    """A text on every article in the style of the model's own author."""
    rng = random.Random(seed)
    return [
        {
            "article_id": row["article_id"],
            "author": SELF,
            "text": summary(world, article, SELF, rng),
            "finished": True,
            "n_tokens": 9,
        }
        for row, article in zip(texts.articles(world), world.articles, strict=True)
    ]


def prepared(config: Config, folder: Path) -> Prepared:
    """The data folder of an organism's config, written into `folder`."""
    prepare(specs.prepare_data(config), folder)
    assert isinstance(config.model, OrganismModel)
    world = build_world(config.model.world)
    reports = [
        {"row_id": f"self_report:{n}", "question": "who are you", "answer": answer}
        for n, answer in enumerate(REPORTS)
    ]
    parquet.write(folder / "self_texts.parquet", own_texts(world), SELF_TEXTS)
    parquet.write(folder / "self_reports.parquet", reports, SELF_REPORTS)
    return Prepared(folder, config, world)
