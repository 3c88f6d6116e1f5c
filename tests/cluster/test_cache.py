"""The step cache and Slurm: what is kept needs no job, and jobs keep what they made."""

import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments import Project
from slurm_runs import Run

pytestmark = pytest.mark.cluster
Experiment = Callable[..., Run]


@pytest.fixture
def cache(undisturbed: Project, tmp_path: Path) -> Path:
    """A copy of the cache with all that the undisturbed run has kept."""
    return shutil.copytree(undisturbed.environment["SELFSAME_CACHE"], tmp_path / "cache")


def test_what_a_local_run_kept_comes_back_without_a_job(
    undisturbed: Project,
    cache: Path,
    experiment: Experiment,
    tmp_path: Path,
    figure: Callable[[str], None],
) -> None:
    project = Project(tmp_path / "p", undisturbed.folder / undisturbed.config)
    began = time.monotonic()
    run = experiment(project, cache=cache)
    run.ends_well()
    figure(f"cluster: {time.monotonic() - began:.0f} s to restore all from the cache")
    assert project.tables() == undisturbed.tables()
    assert project.broken() == []
    assert "SLURM jobid" not in run.log
    again = experiment(project, "--dry-run", cache=cache)
    again.ends_well()
    said = again.log.rpartition("Building DAG")[2]
    assert "Nothing to be done" in said
    assert "missing" not in said  # Snakemake's records of these jobs


def test_only_what_is_not_kept_is_submitted(
    undisturbed: Project, cache: Path, experiment: Experiment, tmp_path: Path
) -> None:
    project = undisturbed.copied(tmp_path / "p")
    for entry in cache.glob("objects/??/*"):
        if '"step":"build_tables"' in (entry / "entry.json").read_text():
            shutil.rmtree(entry)
    shutil.rmtree(project.results)
    run = experiment(project, cache=cache)
    run.ends_well()
    # The report as well: it tells how long the tables took.
    assert len(re.findall(r"SLURM jobid (\d+)", run.log)) == 2
    assert project.tables() == undisturbed.tables()
    shutil.rmtree(project.results)
    run = experiment(project, cache=cache)
    run.ends_well()
    assert "SLURM jobid" not in run.log  # the job on the node has kept its result
