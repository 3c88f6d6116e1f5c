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
def small_disk() -> Iterator[Callable[[Project, int], None]]:
    """Puts a project's results on a disk of their own, with room for so many bytes more."""
    if os.geteuid() != 0:
        pytest.skip("to mount a small disk needs root")
    mounted = []

    def move(project: Project, room: int) -> None:
        folder, before = project.folder / "results", project.folder / "before"
        folder.mkdir(exist_ok=True)
        folder.rename(before)
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "none", str(folder)]
        if subprocess.run(mount, check=False).returncode:
            pytest.skip("this place allows no mounts")
        mounted.append(folder)
        shutil.copytree(before, folder, dirs_exist_ok=True)
        leave(project, room)

    yield move
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)


def leave(project: Project, room: int) -> None:
    """Resize the disk with a project's results to what is on it and so many bytes more."""
    folder = project.folder / "results"
    size = shutil.disk_usage(folder).used + room
    subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True)


# No room for the base model's weights, or for the report.
@pytest.mark.parametrize(("which", "room"), [("project", 200_000), ("late", 700_000)])
def test_a_full_disk_ends_the_run_and_loses_nothing(
    small_disk: Callable[[Project, int], None],
    recovers: Recovers,
    request: pytest.FixtureRequest,
    which: str,
    room: int,
) -> None:
    project = request.getfixturevalue(which)
    small_disk(project, room)
    status, said = project.run()
    assert status == 1
    assert "No space left on device" in said
    assert project.broken() == []
    leave(project, 200_000_000)
    recovers(project)


def test_deleted_results_come_back_from_the_cache(
    undisturbed: Project, full_cache: Path, recovers: Recovers, tmp_path: Path
) -> None:
    project = undisturbed.copied(tmp_path / "p")
    shutil.rmtree(project.results)
    recovers(project, SELFSAME_CACHE=str(full_cache))
    assert project.ran() == 0


def test_a_second_checkout_gets_them_too(
    project: Project, full_cache: Path, recovers: Recovers
) -> None:
    recovers(project, SELFSAME_CACHE=str(full_cache))
    assert project.ran() == 0


@pytest.mark.parametrize("seed", range(2))
def test_flipped_bits_in_the_cache_are_made_good(
    project: Project, full_cache: Path, recovers: Recovers, seed: int
) -> None:
    rng, cache = random.Random(seed), {"SELFSAME_CACHE": str(full_cache)}
    entries = sorted((full_cache / "objects").glob("??/*"))
    for entry in rng.sample(entries, len(entries) // 2):
        file = rng.choice(sorted(path for path in entry.rglob("*") if path.is_file()))
        raw = bytearray(file.read_bytes())
        raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
        file.write_bytes(bytes(raw))
    recovers(project, **cache)
    assert project.ran() > 0
    shutil.rmtree(project.results)
    recovers(project, **cache)
    assert project.ran() == 0  # what was damaged has been kept anew


@pytest.mark.parametrize("tier", ["shared", "node"])
def test_a_tier_that_vanishes_is_done_without(
    late: Project, recovers: Recovers, tmp_path: Path, tier: str
) -> None:
    folders = {"shared": str(tmp_path / "shared"), "node": str(tmp_path / "node")}
    cache = {"SELFSAME_CACHE": json.dumps({"enabled": True, "limit_gb": 1, **folders})}
    controller = late.start(**cache)
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
    recovers(late, **cache)
