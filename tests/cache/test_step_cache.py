"""Steps with a cache, as real processes: restored to the byte, in no time, and never wrongly."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCRIPT = '''
"""Counts how often it really ran."""
import os, sys
from pathlib import Path
from selfsame.step import run

def main(step):
    from helper import GREETING
    with open(os.environ["RAN"], "a") as log:
        log.write("main\\n")
    def answer(item):
        def make(folder):
            with open(os.environ["RAN"], "a") as log:
                log.write(item.name + "\\n")
            step.notes["device"] = "remembered"
            (folder / "part.txt").write_text(GREETING + item.read_text())
        return (step.part({"items": [item]}, make) / "part.txt").read_text()
    (step.out / "sub").mkdir()
    text = "".join(answer(item) for item in step.inputs["items"])
    (step.out / "sub" / "all.txt").write_text(text + step.spec["end"])
    return f"{len(text)} letters"

if __name__ == "__main__":
    run(main, lists=["items", "more"], kept=lambda spec: spec["end"] != "never")
'''
Run = Callable[..., "subprocess.CompletedProcess[str]"]


class World:
    """A folder with a script, its helper and inputs; a cache; and a log of what really ran."""

    def __init__(self, folder: Path, root: Path, cache: Path) -> None:
        self.folder, self.root, self.cache = folder, root, cache
        folder.mkdir()
        (folder / "join.py").write_text(SCRIPT)
        (folder / "helper.py").write_text('GREETING = "hello "\n')
        for name in "abc":
            (folder / name).write_text(name)

    def run(
        self, items: str = "ab", end: str = "!", cache: str | None = None, more: str = ""
    ) -> list[str]:
        """Run the step; returns what really ran."""
        log = self.folder / "ran"
        log.write_text("")
        command = [sys.executable, "join.py", "--spec", json.dumps({"end": end}), "--out", "out"]
        command += ["--items", *items, "--more", *more, "--code", "join.py", "helper.py"]
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(self.root / "workflow_scripts"),
            "SELFSAME_CACHE": cache or str(self.cache),
            "RAN": str(log),
        }
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        self.said = done.stdout
        return log.read_text().split()

    @property
    def text(self) -> str:
        return (self.folder / "out" / "sub" / "all.txt").read_text()

    @property
    def manifest(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.folder / "out" / "manifest.json").read_text())
        return loaded

    def forget(self) -> None:
        """As if the results had been deleted."""
        for path in sorted((self.folder / "out").rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()


@pytest.fixture
def world(tmp_path: Path, root: Path) -> World:
    return World(tmp_path / "here", root, tmp_path / "cache")


def test_a_second_run_restores_the_first(world: World) -> None:
    assert world.run() == ["main", "a", "b"]
    first, text = world.manifest, world.text
    assert text == "hello ahello b!"
    world.forget()
    assert world.run() == []
    assert (world.text, world.manifest) == (text, first)
    assert world.said == "14 letters (from the cache)\n"
    assert not list((world.folder / "out").glob(".partial*"))


def test_so_does_one_in_another_folder(world: World, tmp_path: Path, root: Path) -> None:
    world.run()
    other = World(tmp_path / "there", root, tmp_path / "cache")
    assert other.run() == []
    assert other.text == world.text


def test_a_restore_removes_what_an_earlier_run_wrote(world: World) -> None:
    world.run()
    (world.folder / "helper.py").write_text('GREETING = "bye "\n')
    world.run()
    (world.folder / "out" / "mine.txt").write_text("a reader's own")
    (world.folder / "helper.py").write_text('GREETING = "hello "\n')
    assert world.run() == []
    assert world.text == "hello ahello b!"
    assert (world.folder / "out" / "mine.txt").exists()


@pytest.mark.parametrize(
    ("change", "ran"),
    [
        (lambda w: w.run(end="?"), ["main", "a", "b"]),
        (lambda w: w.run(items="ba"), ["main"]),  # another order, of parts that are known
        (lambda w: w.run(items="abc"), ["main", "c"]),  # an added part is made alone
        (lambda w: w.run(items="a"), ["main"]),
        (lambda w: w.run(items="", more="ab"), ["main"]),
    ],
)
def test_only_what_is_new_is_made(
    world: World, change: Callable[[World], list[str]], ran: list[str]
) -> None:
    world.run()
    assert change(world) == ran


def test_an_edited_input_is_made_anew_alone(world: World) -> None:
    world.run()
    (world.folder / "b").write_text("B")
    assert world.run() == ["main", "b"]
    assert world.text == "hello ahello B!"


@pytest.mark.parametrize("module", ["helper.py", "join.py"])
def test_edited_code_is_run(world: World, module: str) -> None:
    world.run()
    path = world.folder / module
    path.write_text(path.read_text().replace("hello", "HELLO").replace("letters", "signs"))
    assert world.run() == ["main", "a", "b"]


def test_touched_files_change_nothing(world: World) -> None:
    world.run()
    for path in world.folder.glob("*.py"):
        path.touch()
    assert world.run() == []


def test_notes_of_parts_come_back_with_them(world: World) -> None:
    world.run()
    assert world.run(items="ba") == ["main"]
    assert world.manifest["device"] == "remembered"


def test_the_cache_can_be_switched_off(world: World) -> None:
    assert world.run(cache="off") == world.run(cache="off") == ["main", "a", "b"]
    assert not world.cache.exists()


def test_a_result_that_is_not_to_be_kept_is_not(world: World) -> None:
    for _ in range(2):
        assert "main" in world.run(end="never")


def test_a_restore_takes_less_than_a_second_and_no_torch(
    world: World, root: Path, tmp_path: Path
) -> None:
    """A real step of the library, whose imports alone take seconds."""
    cache = tmp_path / "cache"
    code = [str(p) for p in sorted((root / "workflow_scripts" / "selfsame").rglob("*.py"))]
    probe = (
        "import sys; sys.argv[0] = 'join.py'; import runpy\n"
        "runpy.run_path('join.py', run_name='__main__')\n"
        "print(sorted({'torch', 'pandas', 'pyarrow', 'pydantic'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", probe, "--spec", '{"end": "!"}', "--out", "out"]
    command += ["--items", "a", "--code", "join.py", "helper.py", *code]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join([str(root / "workflow_scripts"), str(world.folder)]),
        "SELFSAME_CACHE": str(cache),
        "RAN": str(world.folder / "ran"),
    }
    seconds = []
    for _ in range(4):
        started = time.perf_counter()
        done = subprocess.run(
            command, cwd=world.folder, env=environment, capture_output=True, text=True, check=True
        )
        seconds.append(time.perf_counter() - started)
    assert done.stdout.endswith("(from the cache)\n[]\n")
    assert min(seconds[1:]) < 1
