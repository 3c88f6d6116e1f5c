"""A server on loopback with a file of 200 kB."""

import random
from collections.abc import Iterator

import pytest

from loopback import Host, serving

CONTENT = random.Random(0).randbytes(200_000)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing goes through a proxy that whoever runs the tests may have."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    for name in ("HF_ENDPOINT", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def host() -> Iterator[Host]:
    with serving(Host(CONTENT)) as running:
        yield running
