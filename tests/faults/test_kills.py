"""Kill controllers and jobs at random moments: nothing half is ever seen, nothing is lost."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress

import psutil
import pytest

from experiments import Project

pytestmark = pytest.mark.faults
Recovers = Callable[..., None]
KILLS = 20


def jobs_of(controller: "subprocess.Popen[str]") -> list[psutil.Process]:
    """The processes of a run's steps, the warm server's children among them."""
    found = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        with suppress(psutil.Error):
            words = process.info["cmdline"] or []
            ours = os.getsid(process.pid) == controller.pid
            step = any("workflow_scripts/" in word and word.endswith(".py") for word in words)
            warm = any(word.endswith("warm.py") for word in words) and str(controller.pid) in words
            if (ours and step and words[0].endswith("python")) or (
                warm and process.parent() is not None and _is_warm(process.parent())
            ):
                found.append(process)
    return found


def _is_warm(process: psutil.Process | None) -> bool:
    return process is not None and any(word.endswith("warm.py") for word in process.cmdline())


def end(controller: "subprocess.Popen[str]") -> None:
    """SIGKILL a run with all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(controller.pid, signal.SIGKILL)
    controller.communicate()


def test_twenty_kills_of_jobs_and_controllers(project: Project, recovers: Recovers) -> None:
    """Each round kills a job or the controller alone; what they leave running goes on meanwhile."""
    rng = random.Random(0)
    killed = {"job": 0, "controller": 0}
    while sum(killed.values()) < KILLS:
        controller = project.start()
        time.sleep(rng.uniform(1.5, 5))
        jobs = jobs_of(controller)
        if controller.poll() is not None:
            controller.communicate()
            subprocess.run(["rm", "-r", project.results], check=True)  # all done: start afresh
            continue
        if jobs and rng.random() < 0.6:
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
    assert min(killed.values()) > 3
    recovers(project)


def test_a_killed_job_fails_the_run_and_no_other_branch(
    project: Project, recovers: Recovers
) -> None:
    controller = project.start()
    while not any((project.results / "states").glob("em/seed0/adapter/manifest.json")):
        assert controller.poll() is None
        time.sleep(0.05)
    for job in jobs_of(controller)[:1]:
        job.kill()
    said, _ = controller.communicate()
    assert controller.returncode in (0, 1), said
    recovers(project)


def test_an_interrupt_ends_cleanly(project: Project, recovers: Recovers) -> None:
    controller = project.start()
    time.sleep(4)
    os.killpg(controller.pid, signal.SIGINT)
    controller.communicate(timeout=60)
    assert controller.returncode != 0
    assert project.broken() == []
    recovers(project)


def test_two_controllers_on_one_folder(project: Project, recovers: Recovers) -> None:
    first = project.start()
    while not (project.results / ".lock").is_file() or not (project.results / ".lock").read_text():
        assert first.poll() is None
        time.sleep(0.05)
    status, said = project.run()
    assert status == 1
    assert f"another run is at work there (process {first.pid} on" in said
    assert "Traceback" not in said
    said, _ = first.communicate()
    assert first.returncode == 0, said[-4000:]
    recovers(project)


@pytest.mark.parametrize("moment", [0.2, 1.0])
def test_a_finetune_goes_on_from_its_checkpoint(
    project: Project, recovers: Recovers, moment: float
) -> None:
    """Killed in the middle, it ends with the same adapter as one that was not."""
    target = project.lengthen_the_induction()
    adapter = (project.folder / target).parent
    controller = project.start("--", target)
    while not list(adapter.glob(".checkpoint/*.safetensors")):
        assert controller.poll() is None
        time.sleep(0.02)
    time.sleep(moment)
    end(controller)
    assert not (adapter / "manifest.json").exists()
    left = list(adapter.glob(".checkpoint/*.safetensors"))
    assert left
    assert project.run("--", target)[0] == 0
    assert not list(adapter.glob(".checkpoint/*"))
    resumed = (adapter / "adapter_model.safetensors").read_bytes()
    subprocess.run(["rm", "-r", project.results], check=True)
    assert project.run("--", target)[0] == 0
    assert (adapter / "adapter_model.safetensors").read_bytes() == resumed
