"""What the cache's tests share: a result to keep."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cache_results import Kept, key_named
from selfsame.publish import digests_of


@pytest.fixture
def result(tmp_path: Path) -> Callable[..., Kept]:
    """Make a folder with files of these contents, and what a step would keep of it."""

    def make(name: str, **contents: bytes) -> Kept:
        folder = tmp_path / f"result-{name}"
        for file, content in contents.items():
            (folder / "sub").mkdir(parents=True, exist_ok=True)
            (folder / "sub" / file).write_bytes(content)
        manifest = {"outputs": digests_of(folder), "found": f"found {name}", "notes": {}}
        return key_named(name), folder, manifest

    return make
