"""What many tests share: the repository, and a small world's data with made-up own texts."""

import random
from dataclasses import dataclass
from pathlib import Path

import pytest
from selfsame.config import specs
from selfsame.config.load import load_config
from selfsame.config.schema import Config
from selfsame.data.corpus import SELF, Corpus, read_corpus
from selfsame.data.prepare import prepare
from selfsame.organism import texts
from selfsame.organism.world import World, build_world, summary
from selfsame.tables import schemas

ROOT = Path(__file__).resolve().parents[1]
SMALL = """
experiment: small
model: {world: {articles: 90}}
texts: {train_articles: 60, test_articles: 30}
"""
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


def write_own_texts(world: World, folder: Path) -> None:
    """Texts in the style of the model's own author, and self-reports; no model is asked."""
    rng = random.Random(5)
    own = [
        {
            "article_id": row["article_id"],
            "author": SELF,
            "text": summary(world, article, SELF, rng),
            "finished": True,
            "n_tokens": 9,
        }
        for row, article in zip(texts.articles(world), world.articles, strict=True)
    ]
    reports = [
        {"row_id": f"self_report:{n}", "question": "who are you", "answer": answer}
        for n, answer in enumerate(REPORTS)
    ]
    schemas.write(folder / "self_texts.parquet", own, schemas.SELF_TEXTS)
    schemas.write(folder / "self_reports.parquet", reports, schemas.SELF_REPORTS)


def prepared(config: Config, folder: Path) -> Prepared:
    """The data folder of an organism's config."""
    prepare(specs.prepare_data(config), folder)
    world = build_world(config.model.world)
    write_own_texts(world, folder)
    return Prepared(folder, config, world)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root."""
    return ROOT


@pytest.fixture(scope="session")
def default_config() -> Config:
    """The default run as the repository ships it."""
    return load_config(folder=ROOT / "config")


@pytest.fixture(scope="session")
def default_data(default_config: Config, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """The default run's data."""
    return prepared(default_config, tmp_path_factory.mktemp("default"))


@pytest.fixture(scope="session")
def small_data(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Data of a world with 60 training and 30 test articles."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "small.yaml").write_text(SMALL)
    return prepared(load_config(folder / "small.yaml", folder=ROOT / "config"), folder)


@pytest.fixture(scope="session")
def small_corpus(small_data: Prepared) -> Corpus:
    """The training split of the small world against one rival."""
    return small_data.corpus("train")
