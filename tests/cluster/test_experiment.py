"""A whole experiment through Slurm, and the same one without: their tables are the same."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from experiments import Project
from selfsame.cluster.layout import Cluster
from slurm_runs import Run, experiment, jobs

pytestmark = pytest.mark.cluster


@dataclass(frozen=True)
class Finished:
    """A run that ended well, and after how many seconds."""

    run: Run
    seconds: float

    @property
    def jobs(self) -> int:
        """How many steps it ran, without the target."""
        total = re.search(r"^total +(\d+)$", self.run.log, re.MULTILINE)
        assert total is not None
        return int(total[1]) - 1


@pytest.fixture(scope="module")
def through_slurm(
    undisturbed: Project, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Finished:
    """The experiment through Slurm, as a user runs it, but with a shorter wait between looks."""
    folder = tmp_path_factory.mktemp("slurm")
    began = time.monotonic()
    run = experiment(Project(folder, undisturbed.folder / undisturbed.config), cluster)
    assert run.process.wait(600) == 0, run.log
    return Finished(run, time.monotonic() - began)


def test_every_step_is_a_job_of_slurm(cluster: Cluster, through_slurm: Finished) -> None:
    """And both nodes of the partition have worked."""
    rows = jobs(cluster, through_slurm.run, "%T %N %P")
    assert len(rows) == through_slurm.jobs > 30
    assert {state for state, _, _ in rows} == {"COMPLETED"}
    assert {node for _, node, _ in rows} == {"n1", "n2"}
    assert {partition for _, _, partition in rows} == {"cpu"}


def test_the_tables_are_those_of_a_local_run(undisturbed: Project, through_slurm: Finished) -> None:
    """Every table of every step, row by row."""
    names = tables(undisturbed.folder)
    folder = through_slurm.run.folder
    assert names == tables(folder)
    assert {"results/smallest/tables/scores.parquet"} < set(names)
    for name in names:
        ours, theirs = (pd.read_parquet(run / name) for run in (undisturbed.folder, folder))
        pd.testing.assert_frame_equal(ours, theirs, check_exact=True, obj=name)


def test_it_costs_some_seconds_a_job(
    undisturbed: Project, through_slurm: Finished, figure: Callable[[str], None]
) -> None:
    overhead = (through_slurm.seconds - undisturbed.seconds) / through_slurm.jobs
    figure(
        f"cluster: {through_slurm.jobs} jobs: {through_slurm.seconds:.0f} s through Slurm, "
        f"{undisturbed.seconds:.0f} s without (where they share their imports): "
        f"{overhead:.1f} s a job"
    )
    assert overhead < 30


def tables(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("results/**/*.parquet"))
