"""One checkout with complete experiments for all tests of the contract."""

import shutil
from pathlib import Path

import pytest

from contract import experiments as configs
from contract.workspace import Experiment, checkout, complete, completed
from made_once import made_once

DOCUMENTS = (configs.organism(), configs.all_kinds(), configs.chat_model())


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout whose experiments were run, to be edited by tests."""

    def make(folder: Path) -> None:
        checkout(folder / "checkout")
        for document in DOCUMENTS:
            complete(folder / "checkout", document)

    made = made_once(tmp_path_factory, "contract", make)
    own = tmp_path_factory.mktemp("contract") / "checkout"
    return Path(shutil.copytree(made / "checkout", own))


@pytest.fixture(scope="session")
def experiments(folder: Path) -> dict[str, Experiment]:
    return {document["experiment"]: completed(folder, document) for document in DOCUMENTS}


@pytest.fixture(scope="session")
def organism(experiments: dict[str, Experiment]) -> Experiment:
    return experiments["organism"]
