"""What befalls jobs, nodes and runs: each fault is injected for real, in a workflow of seconds.

test_recovery.py has those that a real experiment goes through; test_outages.py has Slurm's own.
"""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from selfsame.cluster.daemons import wait_until
from selfsame.cluster.layout import Cluster
from slurm_runs import Run, lose, preempt, slurm

pytestmark = pytest.mark.cluster
Faults = Callable[..., Run]


def test_the_job_of_a_lost_node_is_submitted_again(cluster: Cluster, faults: Faults) -> None:
    run = faults("--selfsame-slurm-no-requeue", seconds=4)
    (line,) = run.started()
    lose(cluster, line.node)
    run.finished()
    (end,) = run.trace("end")
    assert end.node != line.node
    assert end.attempt == "2"


def test_a_job_that_preemption_ends_is_submitted_again(cluster: Cluster, faults: Faults) -> None:
    slurm(cluster, "scontrol", "update", "partitionname=low", "preemptmode=cancel")
    run = faults("--selfsame-slurm-requeue", "--selfsame-slurm-partition=low", seconds=4)
    (line,) = run.started()
    preempt(cluster, line.node)
    run.finished()
    (end,) = run.trace("end")
    assert end.job != line.job
    assert end.attempt == "2"
    slurm(cluster, "scontrol", "update", "partitionname=low", "preemptmode=requeue")


def test_a_run_says_why_a_job_waits(cluster: Cluster, faults: Faults) -> None:
    slurm(cluster, "scontrol", "update", "partitionname=cpu", "maxtime=1")
    run = faults(seconds=0)
    run.said("waits, and perhaps for long: PartitionTimeLimit")
    slurm(cluster, "scontrol", "update", "partitionname=cpu", "maxtime=7-0")
    run.finished()


def test_the_jobs_of_a_killed_run_do_not_disturb_the_next(cluster: Cluster, faults: Faults) -> None:
    run = faults(seconds=300, number=2)
    orphans = {line.job for line in run.started(2)}
    run.kill()
    run = faults("--rerun-incomplete", seconds=1, number=2)
    run.finished(2)
    assert "Cancelling jobs that a killed run left" in run.log
    assert orphans.isdisjoint(line.job for line in run.trace("end"))


def test_an_interrupted_run_takes_its_jobs_along(cluster: Cluster, faults: Faults) -> None:
    run = faults(seconds=60)
    run.started()
    run.process.send_signal(signal.SIGINT)
    assert run.end() != 0
    assert wait_until(lambda: not slurm(cluster, "squeue", "--noheader"), 30)


def test_jobs_with_a_gpu_have_one_each(faults: Faults, tmp_path: Path) -> None:
    run = faults("--selfsame-slurm-gpu-partition=gpu", gpu=1, number=2, seconds=4)
    run.finished(2)
    lines = run.trace("start")
    assert {line.node for line in lines} == {"n3"}
    assert {line.device for line in lines} == {"0", "1"}
