"""What befalls the smallest experiment on a cluster: its tables are those of an undisturbed run.

Each test goes on from a copy of a finished run in which some results are missing. A step is stopped
(SIGSTOP) until its fault has been injected, so that the fault finds it half done.
"""

import random
import shutil
import time
from collections.abc import Callable
from filecmp import cmp
from pathlib import Path

import pytest

from experiments import Project
from selfsame.cluster.daemons import launch_controller, stop_daemon
from selfsame.cluster.layout import Cluster
from slurm_runs import Held, Run, bring_back, jobs, lose, preempt, slurm

pytestmark = pytest.mark.cluster
Experiment = Callable[..., Run]
SEED = 2
TABLES = ("--", "results/smallest/tables/manifest.json")
STEPS = ("states/em/seed0/relapse", "states/base/seed0/samples", "persona", "surface_baseline")


@pytest.fixture
def without(undisturbed: Project, tmp_path: Path) -> Callable[..., Project]:
    """Copy the undisturbed run without some of its results."""

    def copy(*missing: str) -> Project:
        project = undisturbed.copied(tmp_path / "p")
        for folder in {*missing, "persona", "relapse", "tables"}:
            shutil.rmtree(project.results / folder)
        return project

    return copy


def test_a_finetune_survives_preemption_and_the_death_of_its_controller(
    without: Callable[..., Project],
    undisturbed: Project,
    cluster: Cluster,
    experiment: Experiment,
) -> None:
    """Each time it goes on from its checkpoint."""
    rng, project = random.Random(SEED), without("states/em+identify")
    adapter = project.results / "states/em+identify/seed0/adapter"
    run = experiment(project, "--selfsame-slurm-partition=low", *TABLES)
    (step,) = run.hold(adapter, when=trained_since(0), moment_s=rng.uniform(0, 0.5))
    preempted_at = time.time()
    preempt(cluster, step.node)
    step.ended()
    whole(project, undisturbed)
    (again,) = run.hold(adapter, when=trained_since(preempted_at), moment_s=rng.uniform(0, 0.5))
    assert again.job == step.job
    assert told(cluster, step, "RestartCnt") == "1"
    run.kill()
    whole(project, undisturbed)
    run = experiment(project, *TABLES)
    run.ends_well()
    assert f"Cancelling jobs that a killed run left: {step.job}" in run.log
    recovered(project, undisturbed)


def test_one_call_gets_over_four_faults(
    without: Callable[..., Project],
    undisturbed: Project,
    cluster: Cluster,
    experiment: Experiment,
) -> None:
    rng, project = random.Random(SEED), without(*STEPS, "states/base/seed0/observations")
    # On a node of its own, so that the loss of another does not hide that its time is over.
    alone = ("--set-resources", "surface_baseline:slurm_partition=gpu")
    run = experiment(project, *alone, *TABLES)
    folders = [project.results / step for step in STEPS]
    kept, lost, cancelled, late = run.hold(*folders, moment_s=rng.uniform(0, 0.2))
    faults = [
        lambda: outlive_an_outage(cluster, run, kept),
        lambda: slurm(cluster, "scontrol", "update", f"jobid={late.job}", "timelimit=0"),
        lambda: slurm(cluster, "scancel", cancelled.job),
        lambda: lose(cluster, lost.node),
        late.ended,
        lambda: bring_back(cluster, lost.node),
    ]
    for inject in faults:
        inject()
        whole(project, undisturbed)
    run.ends_well()
    assert attempts(cluster, run, "relapse") == ["COMPLETED 4:00:00"]
    assert attempts(cluster, run, "evaluate_behaviour") == ["COMPLETED 2:00:00"]
    assert attempts(cluster, run, "measure_persona") == ["CANCELLED 1:00:00", "COMPLETED 2:00:00"]
    assert attempts(cluster, run, "surface_baseline") == ["TIMEOUT 0:00", "COMPLETED 1:00:00"]
    assert told(cluster, lost, "RestartCnt") == "1"
    assert told(cluster, lost, "NodeList") != lost.node
    recovered(project, undisturbed)
    again = experiment(project, "--dry-run", *TABLES)
    again.ends_well()
    assert "Nothing to be done" in again.log


def trained_since(moment: float) -> Callable[[Path], bool]:
    """Whether a finetune has written a checkpoint since then."""

    def newer(adapter: Path) -> bool:
        checkpoints = adapter.glob(".checkpoint/*.safetensors")
        return any(file.stat().st_mtime > moment for file in checkpoints)

    return newer


def outlive_an_outage(cluster: Cluster, run: Run, step: Held) -> None:
    """Slurm is gone and back; a step ends meanwhile."""
    stop_daemon(cluster.folder, "slurmctld")
    run.said("The jobs are kept")
    step.release()
    step.ended()
    launch_controller(cluster)
    run.said("Slurm answers again")


def told(cluster: Cluster, step: Held, field: str) -> str:
    """What Slurm says of a step's job."""
    asked = ("--states=all", "--noheader", f"--jobs={step.job}", f"--Format={field}")
    return slurm(cluster, "squeue", *asked)


def attempts(cluster: Cluster, run: Run, rule: str) -> list[str]:
    """State and time limit of a rule's jobs."""
    rows = jobs(cluster, run, "%T %l %k")
    return [f"{state} {limit}" for state, limit, what in rows if what.startswith(f"rule_{rule}")]


def whole(project: Project, undisturbed: Project) -> None:
    """Every file under its final name is that of the undisturbed run, to the byte."""
    assert project.broken() == []
    for path in filter(Path.is_file, project.results.rglob("*")):
        name = path.relative_to(project.results)
        # A log and a manifest tell when and for how long; what is unfinished begins with a dot.
        timed = name.parts[0] == "logs" or name.name == "manifest.json"
        if not timed and not any(part.startswith(".") for part in name.parts):
            assert cmp(path, undisturbed.results / name, shallow=False), name


def recovered(project: Project, undisturbed: Project) -> None:
    """All is there, whole, and row by row what it would have been."""
    whole(project, undisturbed)
    assert project.tables() == undisturbed.tables()
    assert not list(project.results.rglob(".partial-*"))
