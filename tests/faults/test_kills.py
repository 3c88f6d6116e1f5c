"""Kill controllers and jobs at random moments: nothing half is ever seen, nothing is lost."""

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from experiments import SMALLEST, Project
from made_once import made_once

pytestmark = pytest.mark.faults
Recovers = Callable[..., None]
KILLS = 10


def jobs_of(controller: "subprocess.Popen[str]") -> list[psutil.Process]:
    """The processes of a run's steps, the warm servers' children among them."""
    owners = {str(controller.pid), str(os.getpid())}
    found = []
    for process in psutil.process_iter(["cmdline"]):
        with suppress(psutil.Error, ProcessLookupError):
            words = process.info["cmdline"] or []
            ours = os.getsid(process.pid) == controller.pid
            step = any("workflow_scripts/" in word and word.endswith(".py") for word in words)
            warm = any(word.endswith("warm.py") for word in words) and owners & {*words}
            if (ours and step and words[0].endswith("python")) or (
                warm and process.parent() is not None and _is_warm(process.parent())
            ):
                found.append(process)
    return found


def at_work(controller: "subprocess.Popen[str]") -> bool:
    """Wait until a run's first job is at work; whether there was one."""
    while controller.poll() is None:
        if jobs_of(controller):
            return True
        time.sleep(0.05)
    return False


def _is_warm(process: psutil.Process | None) -> bool:
    return process is not None and any(word.endswith("warm.py") for word in process.cmdline())


def end(controller: "subprocess.Popen[str]") -> None:
    """SIGKILL a run with all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(controller.pid, signal.SIGKILL)
    controller.communicate()


@pytest.mark.parametrize(("seed", "servers"), [(0, "one for all runs"), (1, "one for each run")])
def test_ten_kills_of_jobs_and_controllers(
    project: Project, recovers: Recovers, seed: int, servers: str
) -> None:
    """Each round kills a job or the controller alone; what they leave running goes on meanwhile."""
    rng = random.Random(seed)
    environment = {"SELFSAME_WARM": ""} if servers == "one for each run" else {}
    killed = {"job": 0, "controller": 0}
    while sum(killed.values()) < KILLS:
        controller = project.start(**environment)
        if not at_work(controller):
            controller.communicate()
            shutil.rmtree(project.results)  # all done: start afresh
            continue
        time.sleep(rng.uniform(0, 2))
        if rng.random() < 0.6 and (jobs := jobs_of(controller)):
            with suppress(psutil.NoSuchProcess):
                rng.choice(jobs).kill()
                killed["job"] += 1
            time.sleep(rng.uniform(0, 1))
            end(controller)
        else:
            controller.kill()
            controller.communicate()
            killed["controller"] += 1
        assert project.broken() == []
    assert min(killed.values()) > 1
    recovers(project)


def test_a_killed_job_fails_the_run_and_no_other_branch(late: Project, recovers: Recovers) -> None:
    controller = late.start()
    while not (late.results / "states/em+identify/seed0/adapter/manifest.json").is_file():
        assert controller.poll() is None
        time.sleep(0.05)
    for job in jobs_of(controller)[:1]:
        job.kill()
    said, _ = controller.communicate()
    assert controller.returncode in (0, 1), said
    recovers(late)


def test_an_interrupt_ends_cleanly(late: Project, recovers: Recovers) -> None:
    controller = late.start()
    assert at_work(controller)
    time.sleep(0.3)
    os.killpg(controller.pid, signal.SIGINT)
    controller.communicate(timeout=60)
    assert controller.returncode != 0
    assert late.broken() == []
    recovers(late)


def test_two_controllers_on_one_folder(late: Project, recovers: Recovers) -> None:
    first, lock = late.start(), late.results / ".lock"
    while not lock.is_file() or not lock.read_text():
        assert first.poll() is None
        time.sleep(0.05)
    status, said = late.run()
    assert status == 1
    assert f"another run is at work there (process {first.pid} on" in said
    assert "Traceback" not in said
    said, _ = first.communicate()
    assert first.returncode == 0, said[-4000:]
    recovers(late)


@pytest.fixture(scope="session")
def long_induction(undisturbed: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """An undisturbed project in which the induction then took long; to be copied."""

    def run(folder: Path) -> None:
        project = undisturbed.copied(folder / "project")
        adapter = project.lengthen("em").relative_to(project.folder)
        assert project.run("--", str(adapter / "manifest.json"))[0] == 0

    folder = made_once(tmp_path_factory, "long_induction", run)
    return Project(folder / "project", SMALLEST)


@pytest.mark.parametrize("moment", [0.2, 1.0])
def test_a_finetune_goes_on_from_its_checkpoint(
    long_induction: Project, tmp_path: Path, moment: float
) -> None:
    """Killed in the middle, it ends with the same adapter as one that was not."""
    project = long_induction.copied(tmp_path / "p")
    adapter = project.results / "states/em/seed0/adapter"
    undisturbed = (adapter / "adapter_model.safetensors").read_bytes()
    shutil.rmtree(adapter)
    target = str((adapter / "manifest.json").relative_to(project.folder))
    controller = project.start("--", target)
    while not list(adapter.glob(".checkpoint/*.safetensors")):
        assert controller.poll() is None
        time.sleep(0.02)
    time.sleep(moment)
    end(controller)
    assert not (adapter / "manifest.json").exists()
    assert list(adapter.glob(".checkpoint/*.safetensors"))
    assert project.run("--", target)[0] == 0
    assert not list(adapter.glob(".checkpoint/*"))
    assert (adapter / "adapter_model.safetensors").read_bytes() == undisturbed
