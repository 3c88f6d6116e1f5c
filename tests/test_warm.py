"""Warm workers, with a real server: a job in one behaves as a process of its own would."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

OWNER = """
import os, sys
from selfsame import warm
warm.offer()
print(os.environ[warm.VARIABLE], flush=True)
sys.stdin.read()
"""
JOB = '''
"""Tells what it sees."""
import sys
ready = sorted({name.split(".")[0] for name in sys.modules} & {"torch", "peft", "selfsame"})
import json, os, subprocess, time
from selfsame.colour import COLOUR
from selfsame.errors import UserError
from selfsame.step import run

def open_files():
    return [os.readlink(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")
            if os.path.lexists(f"/proc/self/fd/{number}")]

def main(step):
    want = step.spec.get("want")
    if want == "wait":
        (step.final / "started").write_text(str(os.getpid()))
        (step.out / "half.txt").write_text("half")
        time.sleep(120)
    if want == "user":
        raise UserError("texts: too few")
    if want == "bug":
        raise ValueError("boom")
    if want == "exit":
        sys.exit(3)
    print("to stderr", file=sys.stderr)
    subprocess.run(["echo", "from a child"])
    (step.out / "facts.json").write_text(json.dumps({
        "ready": ready, "cwd": os.getcwd(), "argv": sys.argv, "pid": os.getpid(),
        "mine": os.environ.get("MINE"), "theirs": os.environ.get("THEIRS"), "colour": COLOUR,
        "warm": os.environ.get("SELFSAME_WARM"), "loops": sys.modules["__main__"].__doc__,
        "gpu": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "locks": [name for name in open_files() if "selfsame-gpus" in name],
    }))
    return "done"

run(main)
'''


def eventually(holds: Callable[[], bool]) -> bool:
    """Whether something comes true before long (a loaded machine is given its time)."""
    for _ in range(600):
        if holds():
            return True
        time.sleep(0.05)
    return False


def alive(pid: int) -> bool:
    """Whether a process runs; the server's children leave no zombies."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@dataclass
class Warm:
    """A copy of the library's step modules with a job, and the process that offers a server."""

    scripts: Path
    folder: Path
    owner: "subprocess.Popen[str]"

    def command(self, out: Path, want: str | None = None) -> list[str]:
        spec = json.dumps({"want": want})
        return [sys.executable, str(self.scripts / "job.py"), "--spec", spec, "--out", str(out)]

    def environment(self, **more: str) -> dict[str, str]:
        return {"SELFSAME_WARM": str(self.folder), "PATH": os.environ["PATH"], **more}

    def run(
        self, out: Path, want: str | None = None, cwd: Path | None = None, **environment: str
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.command(out, want),
            capture_output=True,
            text=True,
            cwd=cwd,
            env=self.environment(**environment),
            check=False,
        )


def facts(out: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((out / "facts.json").read_text())
    return found


def copy_library(root: Path, scripts: Path) -> None:
    """The library, to be edited, with a job beside it."""
    shutil.copytree(root / "workflow_scripts" / "selfsame", scripts / "selfsame")
    (scripts / "selfsame" / "colour.py").write_text('COLOUR = "red"\n')
    (scripts / "job.py").write_text(JOB)


@pytest.fixture(scope="module")
def warm(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    """A server that the first job starts; the owner's environment differs from the jobs'."""
    scripts = tmp_path_factory.mktemp("w") / "scripts"
    copy_library(root, scripts)
    environment = {**os.environ, "PYTHONPATH": str(scripts), "TMPDIR": str(scripts.parent)}
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**environment, "THEIRS": "the owner's"},
    )
    assert owner.stdout is not None
    yield Warm(scripts, Path(owner.stdout.readline().strip()), owner)
    owner.communicate()


def test_a_job_gets_its_own_world_and_gives_back_its_own_output(warm: Warm, tmp_path: Path) -> None:
    done = warm.run(tmp_path / "out", cwd=tmp_path, MINE="the job's")
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        "from a child\ndone\n",
        "to stderr\n",
    )
    seen = facts(tmp_path / "out")
    assert seen["ready"] == ["peft", "torch"]  # imported already, and nothing of the library
    assert seen["cwd"] == str(tmp_path)
    assert seen["argv"] == warm.command(tmp_path / "out")[1:]
    assert (seen["mine"], seen["theirs"], seen["warm"]) == ("the job's", None, None)
    assert seen["loops"] == "Tells what it sees."
    assert {p.name for p in (tmp_path / "out").iterdir()} >= {"facts.json", "manifest.json"}


def test_each_job_is_a_process_of_its_own(warm: Warm, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert warm.run(tmp_path / name).returncode == 0
    assert facts(tmp_path / "a")["pid"] != facts(tmp_path / "b")["pid"]


@pytest.mark.parametrize(
    ("want", "status", "said"),
    [("user", 1, "error: texts: too few\n"), ("bug", 1, "ValueError: boom\n"), ("exit", 3, "")],
)
def test_a_failure_comes_back(
    warm: Warm, tmp_path: Path, want: str, status: int, said: str
) -> None:
    failed = warm.run(tmp_path / "out", want)
    assert failed.returncode == status
    assert failed.stderr.endswith(said)
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_a_worker_holds_the_gpu_of_its_job_and_frees_it(warm: Warm, tmp_path: Path) -> None:
    """The worker, not the job that waits for it, uses the device: so it must hold the lock too."""
    shown = {"CUDA_VISIBLE_DEVICES": "4,5", "TMPDIR": str(tmp_path)}
    for name in ("a", "b"):
        command = [*warm.command(tmp_path / name), "--gpu", "1"]
        subprocess.run(command, env=warm.environment(**shown), check=True)
        seen = facts(tmp_path / name)
        folder = tmp_path / f"selfsame-gpus-{os.getuid()}"
        assert (seen["gpu"], seen["locks"]) == ("4", [str(folder / "4.0")])
        assert seen["pid"] != os.getpid()
    assert eventually(lambda: warm.run(tmp_path / "c").returncode == 0)
    assert facts(tmp_path / "c")["locks"] == []


def test_wrong_arguments_come_back(warm: Warm, tmp_path: Path) -> None:
    command = [*warm.command(tmp_path / "out"), "--speed", "9"]
    failed = subprocess.run(
        command, capture_output=True, text=True, env=warm.environment(), check=False
    )
    assert failed.returncode == 2
    assert "--speed" in failed.stderr


def test_an_edit_of_the_library_reaches_the_next_job(warm: Warm, tmp_path: Path) -> None:
    module = warm.scripts / "selfsame" / "colour.py"
    for colour in ("green", "violet"):
        module.write_text(f'COLOUR = "{colour}"\n')
        assert warm.run(tmp_path / colour).returncode == 0
        assert facts(tmp_path / colour)["colour"] == colour


def test_a_killed_job_takes_its_work_with_it(warm: Warm, tmp_path: Path) -> None:
    out = tmp_path / "out"
    job = subprocess.Popen(warm.command(out, "wait"), env=warm.environment())
    assert eventually(lambda: (out / "started").exists() and (out / "started").read_text() != "")
    worker = int((out / "started").read_text())
    assert worker != job.pid
    assert alive(worker)
    job.kill()
    job.wait()
    assert eventually(lambda: not alive(worker))
    assert not (out / "half.txt").exists()
    assert not (out / "manifest.json").exists()


def test_a_killed_worker_is_the_jobs_failure(warm: Warm, tmp_path: Path) -> None:
    out = tmp_path / "out"
    job = subprocess.Popen(
        warm.command(out, "wait"), env=warm.environment(), stderr=subprocess.PIPE, text=True
    )
    assert eventually(lambda: (out / "started").exists() and (out / "started").read_text() != "")
    os.kill(int((out / "started").read_text()), signal.SIGKILL)
    _, said = job.communicate()
    assert job.returncode == 1
    assert said == "error: the job's process was killed (out of memory?)\n"


def test_the_server_ends_when_its_owner_is_gone(warm: Warm, tmp_path: Path) -> None:
    assert warm.run(tmp_path / "out").returncode == 0
    assert {path.name for path in warm.folder.iterdir()} == {"lock", "socket"}
    warm.owner.communicate()
    assert eventually(lambda: not warm.folder.exists())


@pytest.mark.parametrize("given", ["", "/tmp/w-1"])
def test_a_server_that_a_caller_offers_is_shared_by_its_runs(root: Path, given: str) -> None:
    scripts = str(root / "workflow_scripts")
    environment = {**os.environ, "PYTHONPATH": scripts, "SELFSAME_WARM": given}
    command = [sys.executable, "-c", OWNER]
    owner = subprocess.run(
        command, input="", capture_output=True, text=True, env=environment, check=True
    )
    assert (owner.stdout.strip() == given) == bool(given)


@pytest.mark.parametrize("why", ["the server is gone", "the path is too long for a socket"])
def test_without_a_server_a_job_runs_by_itself(root: Path, tmp_path: Path, why: str) -> None:
    copy_library(root, tmp_path / "scripts")
    folder = tmp_path / ("x" * (100 if "long" in why else 1)) / f"w-{os.getpid()}"
    folder.mkdir(parents=True)
    if "gone" in why:
        (folder / "socket").touch()
    here = Warm(tmp_path / "scripts", folder, None)  # type: ignore[arg-type]
    done = here.run(tmp_path / "out")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "done")
    assert facts(tmp_path / "out")["ready"] == []


def test_help_needs_no_server(root: Path, tmp_path: Path) -> None:
    copy_library(root, tmp_path / "scripts")
    here = Warm(tmp_path / "scripts", tmp_path / "w-1", None)  # type: ignore[arg-type]
    command = [*here.command(tmp_path / "out"), "--help"]
    shown = subprocess.run(
        command, capture_output=True, text=True, env=here.environment(), check=True
    )
    assert "Tells what it sees." in shown.stdout
    assert not here.folder.exists()
