"""Claims of GPUs by real processes, on lists of devices that CUDA_VISIBLE_DEVICES makes up."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from selfsame import devices
from selfsame.errors import UserError

# Says which devices it holds, and keeps them until its input ends.
HOLDER = """
import os, sys
from selfsame import devices
devices.claim(int(os.environ.get("WANTED", 1)))
print("holds", os.environ.get("CUDA_VISIBLE_DEVICES"), flush=True)
sys.stdin.read()
"""
# Holds a device for a moment, and tells from when to when.
BRIEF = """
import json, os, time
from selfsame import devices
devices.claim(int(os.environ.get("WANTED", 1)))
start = time.monotonic()
time.sleep(0.1)
print(json.dumps([os.environ["CUDA_VISIBLE_DEVICES"], start, time.monotonic()]))
"""
STEP = '''
"""Asks for a GPU, and for torch's device where the spec says so."""
from selfsame.step import run

def main(step):
    if step.spec.get("choose"):
        from selfsame.models.load import choose_device
        choose_device("auto")
    return "done"

run(main)
'''
Holder = Callable[..., "subprocess.Popen[str]"]


def environment(root: Path, folder: Path, **more: str) -> dict[str, str]:
    kept = {"PATH": os.environ["PATH"], "TMPDIR": str(folder)}
    return {"PYTHONPATH": str(root / "workflow_scripts"), **kept, **more}


@pytest.fixture
def holder(root: Path, tmp_path: Path) -> Iterator[Holder]:
    """Starts a process that claims one of the devices it is shown."""
    started: list[subprocess.Popen[str]] = []

    def start(visible: str, **more: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(root, tmp_path, CUDA_VISIBLE_DEVICES=visible, **more),
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize(
    ("chosen", "names"),
    [
        ("0,1", ["0", "1"]),
        (" 2 , 0 ", ["2", "0"]),
        ("", []),
        ("-1", []),
        ("1,-1,0", ["1"]),
        ("NoDevFiles", []),
        ("GPU-8932f937,MIG-GPU-1/7/0", ["GPU-8932f937", "MIG-GPU-1/7/0"]),
    ],
)
def test_the_visible_devices_are_those_that_cuda_would_see(
    monkeypatch: pytest.MonkeyPatch, chosen: str, names: list[str]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    assert devices.visible() == names


def test_two_jobs_hold_different_devices_and_a_third_waits_for_one_that_is_killed(
    holder: Holder,
) -> None:
    jobs = [holder("0,1"), holder("0,1")]
    held = {line(job): job for job in jobs}
    assert set(held) == {"holds 0", "holds 1"}
    third = holder("0,1")
    assert line(third) == "waiting for GPUs: other jobs hold some of 0, 1"
    held["holds 1"].send_signal(signal.SIGKILL)
    assert line(third) == "holds 1"


def test_a_device_goes_to_the_next_when_its_job_ends(holder: Holder) -> None:
    first = holder("7")
    assert line(first) == "holds 7"
    second = holder("7")
    assert line(second).startswith("waiting")
    first.communicate()
    assert line(second) == "holds 7"


def test_a_job_sees_no_other_device_than_those_it_is_shown(holder: Holder) -> None:
    assert line(holder("1")) == "holds 1"
    assert line(holder("0,1")) == "holds 0"


def test_many_at_once_never_share(root: Path, tmp_path: Path) -> None:
    shown = environment(root, tmp_path, CUDA_VISIBLE_DEVICES="0,1,MIG-GPU-3/7/0")
    command = [sys.executable, "-c", BRIEF]
    jobs = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=shown) for _ in range(12)
    ]
    times: dict[str, list[tuple[float, float]]] = {}
    for job in jobs:
        name, start, end = json.loads(job.communicate()[0].splitlines()[-1])
        times.setdefault(name, []).append((start, end))
    assert set(times) == {"0", "1", "MIG-GPU-3/7/0"}
    for periods in times.values():
        assert all(before[1] <= after[0] for before, after in pairwise(sorted(periods)))


def test_a_job_of_two_devices_waits_for_both_and_holds_none_meanwhile(holder: Holder) -> None:
    first = holder("0,1")
    assert line(first) == "holds 0"
    pair = holder("0,1", WANTED="2")
    assert line(pair) == "waiting for GPUs: other jobs hold some of 0, 1"
    single = holder("1")
    # The pair looks for free devices now and then, and holds them for that moment.
    assert line(single) == "holds 1" or line(single) == "holds 1"
    first.communicate()
    single.communicate()
    assert line(pair) == "holds 0,1"


def test_pairs_named_in_another_order_do_not_lock_each_other_out(
    root: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", BRIEF]
    jobs = [
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(root, tmp_path, CUDA_VISIBLE_DEVICES=names, WANTED="2"),
        )
        for names in ("0,1", "1,0") * 2
    ]
    times = [json.loads(job.communicate(timeout=60)[0].splitlines()[-1])[1:] for job in jobs]
    assert all(before[1] <= after[0] for before, after in pairwise(sorted(times)))


def test_more_devices_than_there_are_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.delenv(devices.CLAIMED, raising=False)
    with pytest.raises(UserError, match=r"3 GPUs are asked for, there are 2 \(0, 1\); lower"):
        devices.claim(3)


def test_devices_are_shared_when_told_to_and_evenly(holder: Holder) -> None:
    told = {"SELFSAME_JOBS_PER_GPU": "2"}
    held = [line(holder("0,1", **told)) for _ in range(4)]
    assert held == ["holds 0", "holds 1", "holds 0", "holds 1"]
    assert line(holder("0,1", **told)).startswith("waiting")


@pytest.mark.parametrize("text", ["0", "-1", "two", ""])
def test_a_wrong_number_of_jobs_is_named(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("SELFSAME_JOBS_PER_GPU", text)
    with pytest.raises(UserError, match="SELFSAME_JOBS_PER_GPU"):
        devices.jobs_per_gpu()


def test_slurm_jobs_keep_the_device_that_slurm_chose(holder: Holder) -> None:
    """Each job may know its own device as 0, where a cgroup hides the others."""
    for number in ("11", "12"):
        assert line(holder("0", SLURM_JOB_ID=number)) == "holds 0"


def test_steps_of_one_slurm_job_do_not_share(holder: Holder) -> None:
    job = {"SLURM_JOB_ID": "13"}
    assert [line(holder("0,1", **job)) for _ in range(2)] == ["holds 0", "holds 1"]


@pytest.mark.parametrize("more", [{}, {"SLURM_JOB_ID": "14"}])
def test_a_job_that_asks_for_none_claims_none(
    root: Path, tmp_path: Path, more: dict[str, str]
) -> None:
    code = "from selfsame import devices; devices.claim(0); print(devices.held)"
    shown = environment(root, tmp_path, CUDA_VISIBLE_DEVICES="0", **more)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=shown, check=True
    )
    assert done.stdout == "[]\n"
    assert list(tmp_path.iterdir()) == []


def run_step(root: Path, folder: Path, spec: dict[str, Any], **more: str) -> tuple[int, str]:
    script = folder / "ask.py"
    script.write_text(STEP)
    command = [sys.executable, str(script), "--spec", json.dumps(spec), "--gpu", "1"]
    done = subprocess.run(
        [*command, "--out", str(folder / "out")],
        capture_output=True,
        text=True,
        env=environment(root, folder, SELFSAME_CACHE="off", **more),
        check=False,
    )
    return done.returncode, done.stderr


def test_a_machine_without_gpus_runs_the_job_on_its_processor(root: Path, tmp_path: Path) -> None:
    assert run_step(root, tmp_path, {}, CUDA_VISIBLE_DEVICES="") == (0, "")


def test_a_gpu_that_slurm_promised_and_the_node_does_not_show_is_for_another_try(
    root: Path, tmp_path: Path
) -> None:
    job = {"SLURM_JOB_ID": "15", "SLURMD_NODENAME": "n3"}
    code, said = run_step(root, tmp_path, {}, CUDA_VISIBLE_DEVICES="", **job)
    assert code == 75
    assert said.startswith("error: n3: the job was promised a GPU, but the node shows none")
    assert said.count("\n") == 1


@pytest.mark.skipif(devices.has_device_file(), reason="there is a GPU here")
def test_a_promised_gpu_that_is_not_there_is_for_another_try(root: Path, tmp_path: Path) -> None:
    job = {"SLURM_JOB_ID": "16", "SLURMD_NODENAME": "n3"}
    spec = {"choose": True}
    code, said = run_step(root, tmp_path, spec, CUDA_VISIBLE_DEVICES="0", **job)
    assert code == 75
    assert said.startswith("error: n3: the job was promised a GPU, but its device file is missing")
    # Unless torch is asked for a device, nobody looks: a step on the processor may hold a GPU.
    assert run_step(root, tmp_path, {}, CUDA_VISIBLE_DEVICES="0", **job) == (0, "")
