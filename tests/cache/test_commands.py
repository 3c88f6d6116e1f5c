"""The cache's commands, as a user types them."""

import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from cache_results import Kept
from selfsame.cache.store import Store

Result = Callable[..., Kept]


@pytest.fixture
def store(tmp_path: Path, result: Result) -> Store:
    kept = Store(tmp_path / "store")
    for name in "abc":
        kept.keep(*result(name, file=name.encode() * 1_000_000))
    return kept


def cache(root: Path, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "selfsame.cache", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(root / "workflow_scripts")}
    return subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, check=False
    )


def damage(store: Store) -> None:
    (next(store.entries()).path / "files" / "sub" / "file").write_bytes(b"x")


def test_list_counts_by_step(store: Store, root: Path) -> None:
    shown = cache(root, "list", "--folder", store.root).stdout
    assert "3 entries, 3.0 MB" in shown
    (row,) = (line for line in shown.splitlines() if "make" in line)
    assert "3" in row.split()
    assert "3.0" in row.split()


def test_list_shows_every_entry(store: Store, root: Path) -> None:
    shown = cache(root, "list", "--entries", "--folder", store.root).stdout
    assert all(f"found {name}" in shown for name in "abc")


def test_an_empty_cache_is_listed(root: Path, tmp_path: Path) -> None:
    shown = cache(root, "list", "--folder", tmp_path / "none")
    assert shown.returncode == 0
    assert "0 entries" in shown.stdout


def test_verify_finds_damage_once(store: Store, root: Path) -> None:
    assert cache(root, "verify", "--folder", store.root).returncode == 0
    damage(store)
    found = cache(root, "verify", "--folder", store.root)
    assert found.returncode == 1
    assert "2 entries are whole, 1 were damaged" in found.stdout
    assert cache(root, "verify", "--folder", store.root).returncode == 0


def test_gc_brings_the_size_down(store: Store, root: Path) -> None:
    said = cache(root, "gc", "--limit-gb", "0.0025", "--folder", store.root)
    assert "1 entries removed, 1.0 MB" in said.stdout
    assert len(list(store.entries())) == 2


def test_a_cache_moves_to_another_cluster(store: Store, root: Path, tmp_path: Path) -> None:
    archive, other = tmp_path / "cache.tar", Store(tmp_path / "other")
    assert "3 entries" in cache(root, "export", archive, "--folder", store.root).stdout
    moved = cache(root, "import", archive, "--folder", other.root)
    assert "3 entries added, 0 refused" in moved.stdout
    assert {e.key for e in other.entries()} == {e.key for e in store.entries()}
    assert all(whole for _, whole in other.verify())
    again = cache(root, "import", archive, "--folder", other.root)
    assert "0 entries added, 0 refused" in again.stdout
    assert {path.name for path in other.root.iterdir()} <= {"objects", "incoming", "collected"}


def test_export_overwrites_nothing(store: Store, root: Path, tmp_path: Path) -> None:
    (tmp_path / "cache.tar").write_text("mine")
    refused = cache(root, "export", tmp_path / "cache.tar", "--folder", store.root)
    assert refused.returncode == 1
    assert refused.stderr == (
        f"error: {tmp_path / 'cache.tar'} is there already; remove it or choose another name\n"
    )


def test_a_damaged_entry_is_not_imported(store: Store, root: Path, tmp_path: Path) -> None:
    damage(store)
    cache(root, "export", tmp_path / "cache.tar", "--folder", store.root)
    said = cache(root, "import", tmp_path / "cache.tar", "--folder", tmp_path / "other").stdout
    assert "2 entries added, 1 refused as damaged" in said


@pytest.mark.parametrize("what", ["absent", "no archive", "leads outside"])
def test_a_bad_archive_is_one_line(root: Path, tmp_path: Path, what: str) -> None:
    archive = tmp_path / "cache.tar"
    if what == "no archive":
        archive.write_text("text")
    if what == "leads outside":
        (tmp_path / "evil").write_text("x")
        with tarfile.open(archive, "w") as tar:
            tar.add(tmp_path / "evil", arcname="../../outside")
    refused = cache(root, "import", archive, "--folder", tmp_path / "other")
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"error: {archive}: cannot be read as an exported cache")
    assert len(refused.stderr.splitlines()) == 1
    assert not list((tmp_path / "other").rglob("outside"))


def test_the_config_says_where_it_lies(root: Path, tmp_path: Path) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text(f"experiment: mine\ncache: {{shared: {tmp_path}/mine, node: $HERE/node}}\n")
    command = [sys.executable, "-m", "selfsame.cache", "list", "--experiment", str(config)]
    environment = {**os.environ, "PYTHONPATH": str(root / "workflow_scripts"), "HERE": "/n"}
    shown = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert [line.split(":")[0].strip() for line in shown.splitlines() if "entries," in line] == [
        "/n/node",
        f"{tmp_path}/mine",
    ]
