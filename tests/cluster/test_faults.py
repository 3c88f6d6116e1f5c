"""What befalls a cluster: each fault is injected for real, and the run still ends as it should."""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from selfsame.cluster.daemons import launch_controller, running, stop_daemon, wait_until
from selfsame.cluster.layout import Cluster
from slurm_runs import Run, lose, slurm

pytestmark = pytest.mark.cluster
Faults = Callable[..., Run]


def finished(run: Run, number: int = 1) -> None:
    """The run ends well, with every result."""
    assert run.end() == 0, run.log
    assert (run.folder / "after.txt").read_text().split() == [str(i) for i in range(number)]


def attempts(run: Run, event: str) -> list[str]:
    return sorted(line.attempt for line in run.trace(event))


def test_a_cancelled_job_is_submitted_again(cluster: Cluster, faults: Faults) -> None:
    run = faults(seconds=4)
    (line,) = run.started()
    slurm(cluster, "scancel", line.job)
    finished(run)
    assert attempts(run, "start") == ["1", "2"]
    assert attempts(run, "end") == ["2"]


def test_jobs_are_kept_while_slurm_restarts(cluster: Cluster, faults: Faults) -> None:
    """They end during the outage, and are not run again."""
    run = faults(seconds=4, number=2)
    run.started(2)
    stop_daemon(cluster.folder, "slurmctld")
    run.said("The jobs are kept")
    launch_controller(cluster)
    finished(run, 2)
    assert attempts(run, "start") == ["1", "1"]
    assert "Slurm answers again" in run.log


def test_a_job_is_submitted_when_slurm_is_back(cluster: Cluster, faults: Faults) -> None:
    run = faults(first=4)
    run.said("localrule first")
    stop_daemon(cluster.folder, "slurmctld")
    run.said("waits to be submitted")
    launch_controller(cluster)
    finished(run)
    assert attempts(run, "start") == ["1"]


def test_a_submission_without_an_answer_is_not_made_twice(cluster: Cluster, faults: Faults) -> None:
    """slurmctld hangs; it has the job in its mailbox when sbatch gives up waiting."""
    run = faults(first=3)
    run.said("localrule first")
    (controller,) = running(cluster.folder, "slurmctld")
    controller.suspend()
    run.said("waits to be submitted")
    controller.resume()
    finished(run)
    assert attempts(run, "start") == ["1"]


@pytest.mark.parametrize("requeue", [True, False])
def test_the_jobs_of_a_lost_node_run_elsewhere(
    cluster: Cluster, faults: Faults, requeue: bool
) -> None:
    run = faults(
        "--selfsame-slurm-requeue" if requeue else "--selfsame-slurm-no-requeue", seconds=4
    )
    (line,) = run.started()
    lose(cluster, line.node)
    finished(run)
    (end,) = run.trace("end")
    assert end.node != line.node
    assert (end.job == line.job) is requeue
    assert end.attempt == ("1" if requeue else "2")


@pytest.mark.parametrize("mode", ["requeue", "cancel"])
def test_a_preempted_job_runs_later(cluster: Cluster, faults: Faults, mode: str) -> None:
    slurm(cluster, "scontrol", "update", "partitionname=low", f"preemptmode={mode}")
    run = faults("--selfsame-slurm-requeue", "--selfsame-slurm-partition=low", seconds=4)
    (line,) = run.started()
    slurm(
        cluster,
        "sbatch",
        "-p",
        "cpu",
        "-w",
        line.node,
        "--exclusive",
        "-o",
        "/dev/null",
        "--wrap",
        "sleep 2",
    )
    finished(run)
    (end,) = run.trace("end")
    assert (end.job == line.job) is (mode == "requeue")
    assert end.attempt == ("1" if mode == "requeue" else "2")
    slurm(cluster, "scontrol", "update", "partitionname=low", "preemptmode=requeue")


def test_a_job_over_its_time_is_given_more(cluster: Cluster, faults: Faults) -> None:
    """Slurm looks for such jobs every 30 s only."""
    run = faults(overdue=True, seconds=1)
    finished(run)
    assert attempts(run, "start") == ["1", "2"]
    assert "TIMEOUT" in run.log


def test_jobs_that_slurm_forgets_are_run_again(cluster: Cluster, faults: Faults) -> None:
    """slurmctld comes back without its state, and ends the jobs that it does not know."""
    run = faults("--selfsame-slurm-forget-after=3", seconds=6)
    run.started()
    stop_daemon(cluster.folder, "slurmctld")
    shutil.rmtree(cluster.folder / "state")
    (cluster.folder / "state").mkdir()
    launch_controller(cluster)
    finished(run)
    assert attempts(run, "start") == ["1", "2"]
    assert "UNKNOWN TO SLURM" in run.log


def test_a_run_without_slurm_says_so_and_ends(cluster: Cluster, faults: Faults) -> None:
    run = faults("--selfsame-slurm-give-up-after=4", seconds=3)
    run.started()
    stop_daemon(cluster.folder, "slurmctld")
    assert run.end() == 1
    assert "Slurm has not answered for" in run.log
    launch_controller(cluster)
    finished(faults(seconds=3))


def test_a_run_that_cannot_submit_says_so_and_ends(cluster: Cluster, faults: Faults) -> None:
    run = faults("--selfsame-slurm-give-up-after=4", first=4, number=5)
    run.said("localrule first")
    stop_daemon(cluster.folder, "slurmctld")
    assert run.end() == 1
    assert "Slurm has not answered for" in run.log
    launch_controller(cluster)
    finished(faults(number=5, seconds=0), 5)


def test_a_run_says_why_a_job_waits(cluster: Cluster, faults: Faults) -> None:
    slurm(cluster, "scontrol", "update", "partitionname=cpu", "maxtime=1")
    run = faults(seconds=0)
    run.said("waits, and perhaps for long: PartitionTimeLimit")
    slurm(cluster, "scontrol", "update", "partitionname=cpu", "maxtime=7-0")
    finished(run)


def test_a_run_that_finds_no_slurm_does_not_start(cluster: Cluster, faults: Faults) -> None:
    stop_daemon(cluster.folder, "slurmctld")
    run = faults()
    assert run.end() == 1
    assert "Slurm does not answer" in run.log


def test_the_jobs_of_a_killed_run_do_not_disturb_the_next(cluster: Cluster, faults: Faults) -> None:
    run = faults(seconds=6, number=2)
    orphans = {line.job for line in run.started(2)}
    run.kill()
    run = faults("--rerun-incomplete", seconds=6, number=2)
    finished(run, 2)
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
    finished(run, 2)
    lines = run.trace("start")
    assert {line.node for line in lines} == {"n3"}
    assert {line.device for line in lines} == {"0", "1"}
