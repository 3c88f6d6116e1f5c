"""What many tests share: the repository, and the data of the default run and of a small one."""

import gc
import os
from pathlib import Path

import pytest

from selfsame.config.load import load_config
from selfsame.config.schema import Config
from selfsame.data.corpus import Corpus
from small_world import Prepared, prepared

# A test sees what its own run does; those of the cache name a folder of their own.
os.environ["SELFSAME_CACHE"] = "off"
ROOT = Path(__file__).resolve().parents[1]
SMALL = """
experiment: small
model: {world: {articles: 90}}
texts: {train_articles: 60, test_articles: 30}
"""


def pytest_collection_finish() -> None:
    """Let no collection of garbage look through all that was imported."""
    gc.freeze()


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
