"""The step cache and Slurm: what is kept needs no job, and jobs keep what they made."""

import re
import shutil
import time
from pathlib import Path

import pytest

from experiments import SMALLEST, Project
from selfsame.cluster.layout import Cluster
from slurm_runs import PROFILE, Run, environment

pytestmark = pytest.mark.cluster


def through_slurm(project: Project, cluster: Cluster, cache: Path, *options: str) -> Run:
    given = {**environment(cluster), "SELFSAME_CACHE": str(cache)}
    config = ("--config", f"experiment={project.config}")
    return Run(project.folder, given, (*PROFILE, *options, *config))


def test_what_a_local_run_kept_comes_back_without_a_job(
    cluster: Cluster, tmp_path: Path, figures: list[str]
) -> None:
    cache = tmp_path / "cache"
    here = Project(tmp_path / "here", SMALLEST, SELFSAME_CACHE=str(cache))
    status, said = here.run()
    assert status == 0, said
    there = Project(tmp_path / "there", SMALLEST)
    began = time.monotonic()
    run = through_slurm(there, cluster, cache)
    assert run.process.wait(300) == 0, run.log
    figures.append(f"cluster: {time.monotonic() - began:.0f} s to restore all from the cache")
    assert there.tables() == here.tables()
    assert there.broken() == []
    assert "SLURM jobid" not in run.log
    again = through_slurm(there, cluster, cache, "--dry-run")
    assert again.process.wait(60) == 0
    said = again.log.rpartition("Building DAG")[2]
    assert "Nothing to be done" in said
    assert "missing" not in said  # Snakemake's records of these jobs


def test_only_what_is_not_kept_is_submitted(cluster: Cluster, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    project = Project(tmp_path / "p", SMALLEST, SELFSAME_CACHE=str(cache))
    assert project.run()[0] == 0
    tables = project.tables()
    for entry in cache.glob("objects/??/*"):
        if '"step":"build_tables"' in (entry / "entry.json").read_text():
            shutil.rmtree(entry)
    shutil.rmtree(project.results)
    run = through_slurm(project, cluster, cache)
    assert run.process.wait(300) == 0, run.log
    # The report as well: it tells how long the tables took.
    assert len(re.findall(r"SLURM jobid (\d+)", run.log)) == 2
    assert project.tables() == tables
    shutil.rmtree(project.results)
    run = through_slurm(project, cluster, cache)
    assert run.process.wait(300) == 0, run.log
    assert "SLURM jobid" not in run.log  # the job on the node has kept its result
