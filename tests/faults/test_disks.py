"""A disk that is full, a cache that vanishes or lies: a clear line, and nothing lost or wrong."""

import json
import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from experiments import Project

pytestmark = pytest.mark.faults
Recovers = Callable[..., None]


@pytest.fixture
def small_disk(project: Project) -> Iterator[Callable[[str], None]]:
    """`results/` on a disk of its own; the function gives it another size."""
    if os.geteuid() != 0:
        pytest.skip("to mount a small disk needs root")
    folder = project.folder / "results"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)]
    if subprocess.run(mount, check=False).returncode:
        pytest.skip("this place allows no mounts")

    def resize(size: str) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True)

    yield resize
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("size", ["2m", "5m"])
def test_a_full_disk_ends_the_run_and_loses_nothing(
    project: Project, small_disk: Callable[[str], None], recovers: Recovers, size: str
) -> None:
    small_disk(size)
    status, said = project.run()
    assert status == 1
    assert "No space left on device" in said
    assert project.broken() == []
    small_disk("200m")
    recovers(project)


def test_deleted_results_come_back_from_the_cache(
    project: Project, recovers: Recovers, tmp_path: Path
) -> None:
    cache = {"SELFSAME_CACHE": str(tmp_path / "cache")}
    assert project.run(**cache)[0] == 0
    shutil.rmtree(project.results)
    recovers(project, **cache)
    assert project.ran() == 0


def test_a_second_checkout_gets_them_too(
    project: Project, recovers: Recovers, tmp_path: Path
) -> None:
    cache = {"SELFSAME_CACHE": str(tmp_path / "cache")}
    assert project.run(**cache)[0] == 0
    other = Project(tmp_path / "elsewhere" / "q", project.folder / project.config)
    recovers(other, **cache)
    assert other.ran() == 0


@pytest.mark.parametrize("seed", range(2))
def test_flipped_bits_in_the_cache_are_made_good(
    project: Project, recovers: Recovers, tmp_path: Path, seed: int
) -> None:
    rng, cache = random.Random(seed), {"SELFSAME_CACHE": str(tmp_path / "cache")}
    assert project.run(**cache)[0] == 0
    entries = sorted((tmp_path / "cache" / "objects").glob("??/*"))
    for entry in rng.sample(entries, len(entries) // 2):
        file = rng.choice(sorted(path for path in entry.rglob("*") if path.is_file()))
        raw = bytearray(file.read_bytes())
        raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
        file.write_bytes(bytes(raw))
    shutil.rmtree(project.results)
    recovers(project, **cache)
    assert project.ran() > 0
    shutil.rmtree(project.results)
    recovers(project, **cache)
    assert project.ran() == 0  # what was damaged has been kept anew


@pytest.mark.parametrize("tier", ["shared", "node"])
def test_a_tier_that_vanishes_is_done_without(
    project: Project, recovers: Recovers, tmp_path: Path, tier: str
) -> None:
    folders = {"shared": str(tmp_path / "shared"), "node": str(tmp_path / "node")}
    cache = {"SELFSAME_CACHE": json.dumps({"enabled": True, "limit_gb": 1, **folders})}
    controller = project.start(**cache)
    while not list(Path(folders[tier]).glob("objects/??/*")):
        assert controller.poll() is None
        time.sleep(0.05)
    time.sleep(1)
    for _ in range(100):  # a job may write there meanwhile
        shutil.rmtree(folders[tier], ignore_errors=True)
        if not Path(folders[tier]).exists():
            break
    Path(folders[tier]).write_text("not a folder any more")
    said, _ = controller.communicate()
    assert controller.returncode == 0, said[-4000:]
    recovers(project, **cache)
