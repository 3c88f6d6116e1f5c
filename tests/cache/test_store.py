"""A store gives back what was put in or nothing, whoever writes, reads, kills or damages beside."""

import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cache_results import Kept, key_named
from selfsame.cache.store import Store
from selfsame.cache.tiers import Cache

Result = Callable[..., Kept]


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_what_is_kept_comes_back(tmp_path: Path, result: Result) -> None:
    store = Store(tmp_path / "store")
    key, folder, manifest = result("one", a=b"1", b=b"\x00" * 3_000_000)
    assert store.fetch(key.digest, tmp_path / "none") is None
    assert store.keep(key, folder, manifest)
    assert not store.keep(key, folder, manifest)  # the second one drops his own
    assert store.fetch(key.digest, tmp_path / "back") == manifest
    assert contents(tmp_path / "back") == contents(folder)
    assert list((tmp_path / "store" / "incoming").iterdir()) == []


def test_a_restored_file_is_a_copy(tmp_path: Path, result: Result) -> None:
    """To edit a result must not change what others get."""
    store = Store(tmp_path / "store")
    key, folder, manifest = result("one", a=b"1")
    store.keep(key, folder, manifest)
    store.fetch(key.digest, tmp_path / "back")
    (tmp_path / "back" / "sub" / "a").write_bytes(b"edited")
    store.fetch(key.digest, tmp_path / "again")
    assert (tmp_path / "again" / "sub" / "a").read_bytes() == b"1"


@pytest.mark.parametrize("seed", range(30))
def test_no_flipped_bit_comes_back(tmp_path: Path, result: Result, seed: int) -> None:
    rng = random.Random(seed)
    store = Store(tmp_path / "store")
    key, folder, manifest = result("one", a=b"some bytes", b=b"others")
    store.keep(key, folder, manifest)
    file = rng.choice([path for path in store.path(key.digest).rglob("*") if path.is_file()])
    raw = bytearray(file.read_bytes())
    raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
    file.write_bytes(bytes(raw))
    found = store.fetch(key.digest, tmp_path / "back")
    assert found is None
    assert not store.path(key.digest).exists()  # set aside: the next writer mends it
    assert store.keep(key, folder, manifest)
    assert store.fetch(key.digest, tmp_path / "mended") == manifest


@pytest.mark.parametrize("what", ["truncated", "missing", "no entry.json"])
def test_a_broken_entry_is_none(tmp_path: Path, result: Result, what: str) -> None:
    store = Store(tmp_path / "store")
    key, folder, manifest = result("one", a=b"1234")
    store.keep(key, folder, manifest)
    entry = store.path(key.digest)
    if what == "truncated":
        (entry / "files" / "sub" / "a").write_bytes(b"12")
    elif what == "missing":
        (entry / "files" / "sub" / "a").unlink()
    else:
        (entry / "entry.json").unlink()
    assert store.fetch(key.digest, tmp_path / "back") is None
    assert store.keep(key, folder, manifest)


def test_an_entry_under_another_name_is_none(tmp_path: Path, result: Result) -> None:
    store = Store(tmp_path / "store")
    key, folder, manifest = result("one", a=b"1")
    store.keep(key, folder, manifest)
    other = key_named("other")
    store.path(other.digest).parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(store.path(key.digest), store.path(other.digest))
    assert store.fetch(other.digest, tmp_path / "back") is None


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", "sub/../../outside"])
def test_an_entry_cannot_write_outside(tmp_path: Path, result: Result, name: str) -> None:
    store = Store(tmp_path / "store")
    key, folder, manifest = result("one")
    folder.mkdir()
    entry = store.path(key.digest)
    manifest["outputs"] = {}
    store.keep(key, folder, manifest)
    manifest["outputs"] = {name: "0" * 64}
    from selfsame.cache import store as module

    module._write_entry(entry, key, manifest)
    assert store.fetch(key.digest, tmp_path / "back") is None
    assert not (tmp_path / "outside").exists()


def hammer(root: str, folder: str, seed: int, ends_at: float) -> None:
    """Keep, fetch and collect the same few keys; every fetch must give the key's own bytes."""
    rng, store = random.Random(seed), Store(Path(root), limit_bytes=4000)
    while time.time() < ends_at:
        name = rng.choice("abcd")
        key, content = key_named(name), name.encode() * 1000
        here = Path(folder) / f"{seed}"
        shutil.rmtree(here, ignore_errors=True)
        found = store.fetch(key.digest, here)
        if found:
            assert (here / "file").read_bytes() == content
        else:
            shutil.rmtree(here, ignore_errors=True)
            here.mkdir(parents=True)
            (here / "file").write_bytes(content)
            digest = __import__("hashlib").sha256(content).hexdigest()
            store.keep(key, here, {"outputs": {"file": digest}, "found": name})
        if rng.random() < 0.2:
            store.collect()


def test_many_at_once(tmp_path: Path) -> None:
    """Writers, readers and collectors of the same keys, for a while: no error, no wrong byte."""
    spawn = multiprocessing.get_context("fork")
    ends_at = time.time() + 3
    workers = [
        spawn.Process(target=hammer, args=(str(tmp_path / "store"), str(tmp_path), n, ends_at))
        for n in range(6)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 6
    assert all(whole for _, whole in Store(tmp_path / "store").verify())
    assert not list((tmp_path / "store").glob("damaged/*"))


WRITER = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from selfsame.cache.key import Key
    from selfsame.cache.store import Store
    from selfsame.publish import digests_of
    folder = Path(sys.argv[2])
    manifest = {"outputs": digests_of(folder), "found": ""}
    print("ready", flush=True)
    for n in range(10_000):
        Store(Path(sys.argv[1])).keep(Key({"step": "s", "n": n}), folder, manifest)
    """
)


@pytest.mark.parametrize("seed", range(5))
def test_a_killed_writer_leaves_whole_entries_only(
    tmp_path: Path, root: Path, result: Result, seed: int
) -> None:
    _, folder, _ = result("one", a=os.urandom(200_000), b=b"1")
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path / "store"), str(folder)],
        env={**os.environ, "PYTHONPATH": str(root / "workflow_scripts")},
        stdout=subprocess.PIPE,
    )
    assert writer.stdout is not None
    writer.stdout.readline()
    time.sleep(0.05 + random.Random(seed).random() / 2)
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    store = Store(tmp_path / "store")
    states = [whole for _, whole in store.verify()]
    assert all(states)
    for left in (tmp_path / "store" / "incoming").iterdir():
        os.utime(left, (0, 0))  # a day later
    store.collect()
    assert not list((tmp_path / "store" / "incoming").iterdir())
    assert len(list(store.entries())) == len(states)


def test_the_least_recently_used_goes_first(tmp_path: Path, result: Result) -> None:
    store = Store(tmp_path / "store")
    kept = [result(name, a=name.encode() * 10_000) for name in "abc"]
    for number, (key, folder, manifest) in enumerate(kept):
        store.keep(key, folder, manifest)
        os.utime(store.path(key.digest) / "entry.json", (number, number))
    store.fetch(kept[0][0].digest, tmp_path / "back")  # the oldest is used again
    gone = Store(tmp_path / "store", limit_bytes=25_000).collect()
    assert [entry.key for entry in gone] == [kept[1][0].digest]
    assert {entry.key for entry in store.entries()} == {k.digest for k, _, _ in (kept[0], kept[2])}


def test_the_node_is_asked_first_and_filled_from_the_shared_folder(
    tmp_path: Path, result: Result
) -> None:
    node, shared = Store(tmp_path / "node"), Store(tmp_path / "shared")
    key, folder, manifest = result("one", a=b"1")
    shared.keep(key, folder, manifest)
    assert Cache((node, shared)).fetch(key, tmp_path / "first") == manifest
    shutil.rmtree(shared.root)
    assert Cache((node, shared)).fetch(key, tmp_path / "second") == manifest
    assert contents(tmp_path / "second") == contents(folder)


@pytest.mark.parametrize("trouble", ["a file in its place", "flipped bits", "gone"])
def test_a_failing_tier_is_a_tier_less(
    tmp_path: Path, result: Result, capsys: pytest.CaptureFixture[str], trouble: str
) -> None:
    node, shared = Store(tmp_path / "node"), Store(tmp_path / "shared")
    key, folder, manifest = result("one", a=b"1234")
    Cache((node, shared)).keep(key, folder, manifest)
    if trouble == "flipped bits":
        (node.path(key.digest) / "files" / "sub" / "a").write_bytes(b"1235")
    else:
        shutil.rmtree(node.root)
        if trouble == "a file in its place":
            node.root.write_text("")
    cache = Cache((node, shared))
    assert cache.fetch(key, tmp_path / "back") == manifest
    assert contents(tmp_path / "back") == contents(folder)
    said = capsys.readouterr().out
    assert ("goes on without it" in said) == (trouble == "a file in its place")
    assert ("damaged" in said) == (trouble == "flipped bits")


def unprivileged() -> bool:
    return os.geteuid() != 0


@pytest.mark.skipif(unprivileged() or not shutil.which("mount"), reason="needs root for a tmpfs")
def test_a_full_disk_keeps_nothing_half(
    tmp_path: Path, result: Result, capsys: pytest.CaptureFixture[str]
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", disk], check=False)
    if mount.returncode:
        pytest.skip("this place allows no mounts")
    try:
        store: Any = Store(disk / "store")
        key, folder, manifest = result("one", a=b"x" * 1_000_000)
        Cache((store,)).keep(key, folder, manifest)
        assert "No space left" in capsys.readouterr().out
        assert store.fetch(key.digest, tmp_path / "back") is None
        assert list(store.root.glob("incoming/*")) == []
        small = result("two", a=b"x")
        Cache((store,)).keep(*small)
        assert store.fetch(small[0].digest, tmp_path / "small") == small[2]
    finally:
        subprocess.run(["umount", disk], check=True)
