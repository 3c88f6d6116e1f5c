"""What befalls Slurm itself: it does not answer, restarts or forgets. Each is done for real.

In a workflow of seconds; test_recovery.py has an outage in the middle of a real experiment.
"""

import shutil
from collections.abc import Callable

import pytest

from selfsame.cluster.daemons import launch_controller, running, stop_daemon
from selfsame.cluster.layout import Cluster
from slurm_runs import Run

pytestmark = pytest.mark.cluster
Faults = Callable[..., Run]


def test_a_job_is_submitted_when_slurm_is_back(cluster: Cluster, faults: Faults) -> None:
    run = faults(first=4)
    run.said("localrule first")
    stop_daemon(cluster.folder, "slurmctld")
    run.said("waits to be submitted")
    launch_controller(cluster)
    run.finished()
    assert run.attempts("start") == ["1"]


def test_a_submission_without_an_answer_is_not_made_twice(cluster: Cluster, faults: Faults) -> None:
    """slurmctld hangs; it has the job in its mailbox when sbatch gives up waiting."""
    run = faults(first=3)
    run.said("localrule first")
    (controller,) = running(cluster.folder, "slurmctld")
    controller.suspend()
    run.said("waits to be submitted")
    controller.resume()
    run.finished()
    assert run.attempts("start") == ["1"]


def test_jobs_that_slurm_forgets_are_run_again(cluster: Cluster, faults: Faults) -> None:
    """slurmctld comes back without its state, and ends the jobs that it does not know."""
    run = faults("--selfsame-slurm-forget-after=3", seconds=6)
    run.started()
    stop_daemon(cluster.folder, "slurmctld")
    shutil.rmtree(cluster.folder / "state")
    (cluster.folder / "state").mkdir()
    launch_controller(cluster)
    run.finished()
    assert run.attempts("start") == ["1", "2"]
    assert "UNKNOWN TO SLURM" in run.log


def test_a_run_without_slurm_says_so_and_ends(cluster: Cluster, faults: Faults) -> None:
    run = faults("--selfsame-slurm-give-up-after=4", seconds=3)
    run.started()
    stop_daemon(cluster.folder, "slurmctld")
    assert run.end() == 1
    assert "Slurm has not answered for" in run.log
    launch_controller(cluster)
    faults(seconds=3).finished()


def test_a_run_that_cannot_submit_says_so_and_ends(cluster: Cluster, faults: Faults) -> None:
    run = faults("--selfsame-slurm-give-up-after=4", first=4, number=5)
    run.said("localrule first")
    stop_daemon(cluster.folder, "slurmctld")
    assert run.end() == 1
    assert "Slurm has not answered for" in run.log
    launch_controller(cluster)
    faults(number=5, seconds=0).finished(5)


def test_a_run_that_finds_no_slurm_does_not_start(cluster: Cluster, faults: Faults) -> None:
    stop_daemon(cluster.folder, "slurmctld")
    run = faults()
    assert run.end() == 1
    assert "Slurm does not answer" in run.log
