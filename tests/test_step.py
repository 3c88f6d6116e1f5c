"""A step's files appear when all of them are there, and not otherwise. Real scripts are run."""

import hashlib
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfsame.digests import canonical

SCRIPT = '''
"""Copies words about."""
from selfsame.errors import UserError
from selfsame.step import run

def main(step):
    (step.out / "sub").mkdir()
    for name in step.spec["files"]:
        (step.out / name).write_text(name + step.path("data").read_text())
    seen = sorted(str(p.relative_to(step.final)) for p in step.final.rglob("*") if p.is_file())
    step.notes["visible"] = [name for name in seen if not name.startswith((".partial-", ".lock"))]
    step.notes["more"] = [path.read_text() for path in step.inputs["more"]]
    if step.spec.get("fail") == "user":
        raise UserError("data.rows: too few; add some")
    if step.spec.get("fail") == "bug":
        raise ValueError("boom")
    return f"{len(step.spec['files'])} files"

run(main, inputs=["data"], lists=["more"])
'''
CHECKPOINT = {".checkpoint/weights"}


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scripts") / "copy_words.py"
    path.write_text(SCRIPT)
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.txt"
    path.write_text("words")
    return path


def run_script(
    script: Path, root: Path, spec: str | dict[str, Any], *arguments: str | Path
) -> subprocess.CompletedProcess[str]:
    text = spec if isinstance(spec, str) else json.dumps(spec)
    command = [sys.executable, str(script), "--spec", text, *map(str, arguments)]
    environment = {"PYTHONPATH": str(root / "workflow_scripts"), "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def names(folder: Path) -> set[str]:
    """Every visible file and folder under a folder, and every temporary one."""
    found = (path.relative_to(folder) for path in folder.rglob("*"))
    return {str(p) for p in found if p.name[0] != "." or p.name.startswith(".partial")}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_outputs_appear_with_a_true_manifest(
    script: Path, root: Path, data: Path, tmp_path: Path
) -> None:
    out, more = tmp_path / "out", [tmp_path / "one", tmp_path / "two"]
    for path in more:
        path.write_text(path.name)
    spec = {"files": ["a.txt", "sub/b.txt"], "seed": 7, "letters": "ä"}
    done = run_script(
        script, root, spec, "--data", data, "--more", *more, "--out", out, "--threads", "3"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "2 files\n", "")
    assert names(out) == {"a.txt", "sub", "sub/b.txt", "manifest.json"}
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["outputs"] == {name: digest(out / name) for name in ("a.txt", "sub/b.txt")}
    assert manifest["inputs"] == {
        "data": [{"path": str(data), "sha256": digest(data)}],
        "more": [{"path": str(path), "sha256": digest(path)} for path in more],
    }
    kept = {key: manifest[key] for key in ("step", "spec", "seed", "threads", "found", "device")}
    assert kept == {
        "step": "copy_words",
        "spec": spec,
        "seed": 7,
        "threads": 3,
        "found": "2 files",
        "device": "cpu",
    }
    assert manifest["visible"] == []  # while main ran, nothing was there under a final name
    assert manifest["more"] == ["one", "two"]
    assert manifest["versions"] == {"python": sys.version.split()[0]}


@pytest.mark.parametrize("fail", ["user", "bug"])
def test_a_failing_main_leaves_nothing(
    script: Path, root: Path, data: Path, tmp_path: Path, fail: str
) -> None:
    out = tmp_path / "out"
    failed = run_script(
        script, root, {"files": ["a.txt"], "fail": fail}, "--data", data, "--out", out
    )
    assert failed.returncode == 1
    assert names(out) == set()


def test_a_users_mistake_is_one_line(script: Path, root: Path, data: Path, tmp_path: Path) -> None:
    spec = {"files": [], "fail": "user"}
    failed = run_script(script, root, spec, "--data", data, "--out", tmp_path / "out")
    assert failed.stderr == "error: data.rows: too few; add some\n"
    assert failed.stdout == ""


def test_a_bug_shows_its_traceback(script: Path, root: Path, data: Path, tmp_path: Path) -> None:
    spec = {"files": [], "fail": "bug"}
    failed = run_script(script, root, spec, "--data", data, "--out", tmp_path / "out")
    assert "ValueError: boom" in failed.stderr
    assert "Traceback" in failed.stderr


@pytest.mark.parametrize("declared_output_removed_first", [False, True])
def test_a_rerun_removes_what_it_wrote_before_and_nothing_else(
    script: Path, root: Path, data: Path, tmp_path: Path, declared_output_removed_first: bool
) -> None:
    out = tmp_path / "out"
    given = ("--data", data, "--out", out)
    assert run_script(script, root, {"files": ["a.txt", "sub/b.txt"]}, *given).returncode == 0
    (out / "mine.txt").write_text("a reader's own")
    (out / ".checkpoint").mkdir()
    (out / ".checkpoint" / "weights").write_text("half done")
    if declared_output_removed_first:  # Snakemake does so before it runs a job again
        (out / "manifest.json").unlink()
    assert run_script(script, root, {"files": ["a.txt", "c.txt"]}, *given).returncode == 0
    assert names(out) - {"sub"} == {*CHECKPOINT, "a.txt", "c.txt", "mine.txt", "manifest.json"}
    assert (out / ".checkpoint" / "weights").read_text() == "half done"
    manifest = json.loads((out / "manifest.json").read_text())
    assert set(manifest["outputs"]) == {"a.txt", "c.txt"}


def test_what_a_killed_run_left_goes_with_the_next(
    script: Path, root: Path, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (out / ".partial-abc").mkdir(parents=True)
    (out / ".partial-abc" / "half").write_text("half")
    given = ("--data", data, "--out", out)
    assert run_script(script, root, {"files": ["a.txt"]}, *given).returncode == 0
    assert names(out) == {"a.txt", "manifest.json"}


def test_a_failed_rerun_keeps_the_earlier_results_whole(
    script: Path, root: Path, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    given = ("--data", data, "--out", out)
    run_script(script, root, {"files": ["a.txt"]}, *given)
    before = {path: digest(path) for path in out.rglob("*") if path.is_file()}
    assert run_script(script, root, {"files": ["a.txt"], "fail": "bug"}, *given).returncode == 1
    assert {path: digest(path) for path in out.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("spec", "arguments", "named"),
    [
        ("{broken", ["--data", "d"], "--spec"),
        ('{"files": []}', [], "--data"),
        ('{"files": []}', ["--data", "a", "b"], "b"),
        ('{"files": []}', ["--data", "a", "--speed", "9"], "--speed"),
    ],
)
def test_wrong_arguments_are_named(
    script: Path, root: Path, tmp_path: Path, spec: str, arguments: list[str], named: str
) -> None:
    failed = run_script(script, root, spec, *arguments, "--out", tmp_path / "out")
    assert failed.returncode == 2
    assert "Traceback" not in failed.stderr
    assert failed.stderr.startswith("usage: copy_words.py")
    assert named in failed.stderr.splitlines()[-1]
    assert not (tmp_path / "out").exists()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def shuffled(value: Any, rng: random.Random) -> Any:
    """The same value with the keys of every mapping in another order."""
    if isinstance(value, dict):
        keys = rng.sample(list(value), len(value))
        return {key: shuffled(value[key], rng) for key in keys}
    return [shuffled(item, rng) for item in value] if isinstance(value, list) else value


@given(st.dictionaries(st.text(), JSON), st.randoms())
def test_canonical_is_one_text_whatever_the_order(spec: dict[str, Any], rng: random.Random) -> None:
    text = canonical(spec)
    assert canonical(shuffled(spec, rng)) == text
    assert json.loads(text) == spec
    assert "\n" not in text


def test_canonical_tells_specs_apart() -> None:
    assert canonical({"a": 1, "b": 2}) != canonical({"a": 2, "b": 1})
