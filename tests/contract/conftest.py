"""One checkout with complete experiments for all tests of the contract."""

from pathlib import Path

import pytest

from contract import experiments as configs
from contract.workspace import Experiment, checkout, complete


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkout(tmp_path_factory.mktemp("contract") / "checkout")


@pytest.fixture(scope="session")
def experiments(folder: Path) -> dict[str, Experiment]:
    documents = (configs.organism(), configs.all_kinds(), configs.chat_model())
    return {document["experiment"]: complete(folder, document) for document in documents}


@pytest.fixture(scope="session")
def organism(experiments: dict[str, Experiment]) -> Experiment:
    return experiments["organism"]
