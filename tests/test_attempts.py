"""Which failures are tried again: real steps under real Snakemake calls with `retries: 2`."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from safetensors import safe_open

from selfsame.attempts import CALL, MARK, Attempt
from selfsame.errors import TryAgain, UserError

SNAKEFILE = """
import sys
sys.path.insert(0, {library!r})
from selfsame import attempts

if workflow.is_main_process:
    attempts.begin_call()

rule job:
    output: "out/manifest.json"
    log: "log"
    retries: 2
    resources: attempt=lambda wildcards, attempt: attempt
    shell:
        "{python} job.py --spec '{{{{}}}}' --code job.py --out out --attempt {{resources.attempt}}"
        " > {{log}} 2>&1"
"""
# Does what stands in `plan` for this try, and counts the tries.
JOB = '''
"""Fails in many ways."""
import os, signal
from pathlib import Path
from selfsame.errors import TryAgain, UserError
from selfsame.step import run

if Path("die_early").exists():
    Path("die_early").unlink()
    os.kill(os.getpid(), signal.SIGKILL)

def main(step):
    tries = Path("tries")
    before = tries.read_text().split() if tries.exists() else []
    how = Path("plan").read_text().split()[len(before)]
    tries.write_text(" ".join([*before, how]))
    if how == "again":
        raise TryAgain("the node is ill")
    if how == "gone":
        open("/proc/self/mem", "rb").read(1)  # an address that is not there: EIO
    if how == "user":
        raise UserError("texts: too few")
    if how == "bug":
        raise ValueError("boom")
    if how == "exit":
        raise SystemExit(3)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "edit":
        with open("job.py", "a") as stream:
            stream.write("# mended")
        raise UserError("as it was")
    return "done"

run(main)
'''


@dataclass(frozen=True)
class Project:
    """A workflow of one job, whose tries follow a plan."""

    folder: Path
    environment: dict[str, str]

    def call(self, *plan: str) -> int:
        """One more Snakemake call; its tries go on through the plan. Returns its exit code."""
        before = self.tries
        (self.folder / "plan").write_text(" ".join([*before, *plan]))
        command = [sys.executable, "-m", "snakemake", "job", "--cores", "1", "--quiet", "all"]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            check=False,
        )
        return done.returncode

    @property
    def tries(self) -> list[str]:
        """How each real try went."""
        file = self.folder / "tries"
        return file.read_text().split() if file.exists() else []

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    @property
    def mark(self) -> Path:
        return self.folder / "out" / MARK


@pytest.fixture
def project(root: Path, tmp_path: Path) -> Project:
    library = str(root / "workflow_scripts")
    (tmp_path / "Snakefile").write_text(SNAKEFILE.format(library=library, python=sys.executable))
    (tmp_path / "job.py").write_text(JOB)
    environment = {**os.environ, "PYTHONPATH": library, "SELFSAME_CACHE": "off"}
    return Project(tmp_path, environment)


def test_node_trouble_is_tried_again(project: Project) -> None:
    assert project.call("again", "gone", "ok") == 0
    assert project.tries == ["again", "gone", "ok"]
    assert not project.mark.exists()


def test_it_is_not_tried_for_ever(project: Project) -> None:
    assert project.call("again", "again", "again", "ok") == 1
    assert project.tries == ["again"] * 3
    assert project.log == "error: the node is ill\n"


@pytest.mark.parametrize(
    ("how", "said"),
    [("user", "error: texts: too few\n"), ("bug", "ValueError: boom\n"), ("exit", "3\n")],
)
def test_what_would_fail_again_is_tried_once(project: Project, how: str, said: str) -> None:
    """Snakemake starts the job three times; the last log still says what went wrong."""
    assert project.call(how, "ok") == 1
    assert project.tries == [how]
    assert project.log.endswith(said)
    assert json.loads(project.mark.read_text())["attempt"] == 1
    assert (project.log.count("Traceback"), how) in ((0, "user"), (1, "bug"), (0, "exit"))


def test_a_killed_job_is_really_tried_again(project: Project) -> None:
    assert project.call("kill", "kill", "ok") == 0
    assert project.tries == ["kill", "kill", "ok"]


def test_after_a_kill_a_failure_is_still_the_last_word(project: Project) -> None:
    assert project.call("kill", "user", "ok") == 1
    assert project.tries == ["kill", "user"]


def test_the_mark_does_not_outlive_its_call(project: Project) -> None:
    """The next call's first attempt is lost before it begins, as with its node.

    Its second attempt then finds the mark of the same job from the call before.
    """
    assert project.call("user") == 1
    (project.folder / "die_early").touch()
    assert project.call("ok") == 0
    assert project.tries == ["user", "ok"]
    assert not (project.folder / "die_early").exists()
    assert not project.mark.exists()


def test_the_mark_does_not_outlive_a_success(project: Project) -> None:
    assert project.call("user") == 1
    assert project.mark.exists()
    assert project.call("ok") == 0
    assert not project.mark.exists()


def test_edited_code_is_tried(project: Project) -> None:
    """Mended between two attempts of one call."""
    assert project.call("edit", "ok") == 0
    assert project.tries == ["edit", "ok"]


def attempt_at(out: Path, number: int = 1) -> Attempt:
    return Attempt(out, number, "the task")


def status_of(run: Callable[[], object], out: Path) -> object:
    """The exit code of a judged step that does this."""
    with pytest.raises(SystemExit) as end, attempt_at(out).judged():
        run()
    return end.value.code


def map_without_a_device() -> None:
    with safe_open("/proc/self/status", framework="np"):
        pass


def read_nowhere() -> None:
    with open("/proc/self/mem", "rb") as stream:
        stream.read(1)


def misread_by_a_reader() -> None:
    try:
        read_nowhere()
    except OSError as error:
        raise UserError(f"config: cannot be read: {error}") from error


@pytest.mark.parametrize("run", [map_without_a_device, read_nowhere, misread_by_a_reader])
def test_a_disk_that_is_gone_is_the_nodes_fault(
    run: Callable[[], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(run, tmp_path) == 75
    said = capsys.readouterr().err
    assert said.endswith("a disk or a mount of this node is gone\n")
    assert said.count("\n") == 1


@pytest.mark.parametrize("path", ["missing/words", "file/below", "/dev/full"])
def test_wrong_paths_and_full_disks_are_not(path: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"\[Errno"), attempt_at(tmp_path).judged():
        (tmp_path / path).write_text("words")


def test_a_step_run_by_hand_leaves_no_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise UserError("mend it")

    monkeypatch.delenv(CALL, raising=False)
    assert status_of(fail, tmp_path) == 1
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv(CALL, "one")
    assert status_of(fail, tmp_path) == 1
    assert [path.name for path in tmp_path.iterdir()] == [MARK]


def test_a_mark_that_was_cut_off_counts_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CALL, "one")
    (tmp_path / MARK).write_text('{"key": ["one"')
    attempt_at(tmp_path, 2).refuse_repeat()
    assert list(tmp_path.iterdir()) == []


def test_codes_are_those_of_sysexits() -> None:
    assert (UserError.exit_code, TryAgain.exit_code) == (1, 75)
