"""The step that asks a judge, and a server for it, for every test of judges."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from judged_answers import Asking
from scripted_server import Server


@pytest.fixture
def asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asking:
    return Asking(tmp_path, monkeypatch)


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.stop()
