"""What a step records of its code is what it ran, whoever edits it meanwhile. Steps are real."""

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

# Waits twice until it may go on: before it imports its module, and after.
SCRIPT = '''
"""Says its module's word."""
import time
from pathlib import Path
from selfsame.step import run

def wait(moment):
    Path(f"{moment}.reached").touch()
    while not Path(f"{moment}.over").exists():
        time.sleep(0.01)

def main(step):
    wait("before")
    from words.greeting import WORD
    wait("after")
    (step.out / "word.txt").write_text(WORD)
    step.notes["digest"] = step.code
    return WORD

if __name__ == "__main__":
    run(main)
'''
OLD, NEW = 'WORD = "old"\n', 'WORD = "new"\n'


class Edited:
    """A step with one module, and a cache. Edits of the module happen while the step waits."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.folder, self.cache = folder, folder / "cache"
        self.module = folder / "scripts/words/greeting.py"
        self.module.parent.mkdir(parents=True)
        self.module.write_text(OLD)
        (folder / "scripts/say.py").write_text(SCRIPT)
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(root / "workflow_scripts"),
            "SELFSAME_CACHE": str(self.cache),
        }

    def run(self, **edits: list[str | None]) -> "subprocess.CompletedProcess[str]":
        """Run the step; `before=[text, ...]` are edits before its import, `after` behind it.

        None removes the module.
        """
        for moment in ("before", "after"):
            for mark in ("reached", "over"):
                (self.folder / f"{moment}.{mark}").unlink(missing_ok=True)
        command = [sys.executable, "scripts/say.py", "--spec", "{}", "--out", "out", "--code"]
        process = subprocess.Popen(
            [*command, "scripts/say.py", "scripts/words/greeting.py"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for moment in ("before", "after"):
            while not (self.folder / f"{moment}.reached").exists() and process.poll() is None:
                time.sleep(0.01)
            for text in edits.get(moment, []):
                if text is None:
                    self.module.unlink()
                else:
                    self.module.write_text(text)
            (self.folder / f"{moment}.over").touch()
        out, err = process.communicate()
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    @property
    def manifest(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.folder / "out/manifest.json").read_text())
        return loaded

    @property
    def result(self) -> tuple[str, bool]:
        """The word, and whether the manifest has the digest of the module that says it."""
        word = (self.folder / "out/word.txt").read_text()
        digest = hashlib.sha256(f'WORD = "{word}"\n'.encode()).hexdigest()
        return word, self.manifest["code"]["scripts/words/greeting.py"] == digest

    @property
    def kept(self) -> int:
        return len(list(self.cache.rglob("entry.json")))


@pytest.fixture
def step(tmp_path: Path, root: Path) -> Edited:
    return Edited(tmp_path, root)


def test_an_edit_before_the_import_ends_the_step(step: Edited) -> None:
    done = step.run(before=[NEW])
    said = f"error: {step.module} was edited while the step started; run it again\n"
    assert (done.returncode, done.stderr) == (os.EX_TEMPFAIL, said)
    assert not (step.folder / "out/manifest.json").exists()
    assert step.kept == 0
    assert step.run().stdout == "new\n"
    assert step.result == ("new", True)
    step.module.write_text(OLD)
    assert step.run().stdout == "old\n"  # nothing was kept as the old module's


def test_an_edit_that_is_taken_back_in_time_is_none(step: Edited) -> None:
    assert step.run(before=[NEW, OLD]).returncode == 0
    assert step.result == ("old", True)
    assert step.kept == 1


def test_an_edit_after_the_import_does_not_reach_the_step(step: Edited) -> None:
    assert step.run(after=[NEW]).returncode == 0
    assert step.result == ("old", True)
    assert step.kept == 0
    before = step.manifest["digest"]
    assert step.run().stdout == "new\n"
    assert step.result == ("new", True)
    assert step.manifest["digest"] != before


def test_a_module_that_is_removed_after_the_import_costs_no_result(step: Edited) -> None:
    done = step.run(after=[None])
    assert done.returncode == 0, done.stderr
    assert step.result == ("old", True)
    assert step.kept == 0


def test_stale_byte_code_is_not_run(step: Edited) -> None:
    """Of a file with the time and the size of the one before it, as archives may hold it."""
    greet = [sys.executable, "-c", "import sys; from words import greeting; print(greeting.WORD)"]
    path = {"PYTHONPATH": str(step.folder / "scripts")}
    for text in (OLD, NEW):
        step.module.write_text(text)
        os.utime(step.module, (1e9, 1e9))
        said = subprocess.run(greet, env=path, capture_output=True, text=True, check=True).stdout
        assert said == "old\n"  # also the second time
    assert step.run().stdout == "new\n"
    assert step.result == ("new", True)
