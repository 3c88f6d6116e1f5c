"""A whole experiment through Slurm, and the same one without: their tables are the same."""

import re
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from experiments import SMALLEST, Project
from selfsame.cluster.layout import Cluster
from slurm_runs import PROFILE, Run, environment, slurm

pytestmark = pytest.mark.cluster


@dataclass(frozen=True)
class Finished:
    """A run that ended well: where, and after how many seconds."""

    folder: Path
    log: str
    seconds: float

    @property
    def jobs(self) -> int:
        """How many steps it ran, without the target."""
        total = re.search(r"^total +(\d+)$", self.log, re.MULTILINE)
        assert total is not None
        return int(total[1]) - 1


def experiment(folder: Path, cluster: Cluster | None, *options: str) -> Finished:
    """Run the experiment in a folder with a copy of the project."""
    project = Project(folder, SMALLEST)
    began = time.monotonic()
    config = ("--config", f"experiment={project.config}")
    run = Run(folder, environment(cluster), (*options, *config))
    assert run.process.wait(600) == 0, run.log
    return Finished(folder, run.log, time.monotonic() - began)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The experiment on this machine, without Slurm."""
    return experiment(tmp_path_factory.mktemp("local"), None, "--cores", "2")


@pytest.fixture(scope="module")
def through_slurm(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The experiment through Slurm, as a user runs it, but with a shorter wait between looks."""
    return experiment(tmp_path_factory.mktemp("slurm"), cluster, *PROFILE)


def test_every_step_is_a_job_of_slurm(cluster: Cluster, through_slurm: Finished) -> None:
    """And both nodes of the partition have worked."""
    name = re.search(r"SLURM run ID: (\S+)", through_slurm.log)
    assert name is not None
    fields = ("--states=all", "--noheader", f"--name={name[1]}", "--format=%T %N %P")
    jobs = [line.split() for line in slurm(cluster, "squeue", *fields).splitlines()]
    assert len(jobs) == through_slurm.jobs > 30
    assert {state for state, _, _ in jobs} == {"COMPLETED"}
    assert {node for _, node, _ in jobs} == {"n1", "n2"}
    assert {partition for _, _, partition in jobs} == {"cpu"}


def test_the_tables_are_those_of_a_local_run(local: Finished, through_slurm: Finished) -> None:
    """Every table of every step, row by row."""
    names = tables(local.folder)
    assert names == tables(through_slurm.folder)
    assert {"results/smallest/tables/scores.parquet"} < set(names)
    for name in names:
        ours, theirs = (pd.read_parquet(run.folder / name) for run in (local, through_slurm))
        pd.testing.assert_frame_equal(ours, theirs, check_exact=True, obj=name)


def test_it_costs_some_seconds_a_job(
    local: Finished, through_slurm: Finished, figures: list[str]
) -> None:
    overhead = (through_slurm.seconds - local.seconds) / through_slurm.jobs
    figures.append(
        f"cluster: {through_slurm.jobs} jobs: {through_slurm.seconds:.0f} s through Slurm, "
        f"{local.seconds:.0f} s without (where they share their imports): {overhead:.1f} s a job"
    )
    assert overhead < 30


def tables(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("results/**/*.parquet"))
