"""A tiny model for all cases, and a folder of the user's for each."""

from pathlib import Path

import pytest

from made_once import made_once
from malformed.workplace import Workplace
from tiny_models import make_tiny_model


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound model; who changes something works on a copy."""
    return made_once(tmp_path_factory, "sound_model", make_tiny_model)


@pytest.fixture
def workplace(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    """A sound experiment in the working directory."""
    folder = tmp_path / "user"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return Workplace(folder, tiny)
