"""A finetune that is preempted in the middle ends with the adapter of one that was not."""

import time
from pathlib import Path

import pytest

from experiments import SMALLEST, Project
from selfsame.cluster.layout import Cluster
from slurm_runs import PROFILE, Run, environment, slurm

pytestmark = pytest.mark.cluster

LOW = ("--selfsame-slurm-partition", "low")


def test_a_preempted_finetune_goes_on(cluster: Cluster, tmp_path: Path) -> None:
    project = Project(tmp_path / "p", SMALLEST)
    target = project.lengthen_the_induction()
    adapter = (project.folder / target).parent
    options = (*PROFILE, *LOW, "--config", f"experiment={project.config}", "--", target)
    run = Run(project.folder, environment(cluster), options)
    while not list(adapter.glob(".checkpoint/*.safetensors")):
        assert run.process.poll() is None, run.log
        time.sleep(0.05)
    fields = ("--states=running", "--noheader", "--partition=low", "--format=%i %N")
    ((job, node),) = (line.split() for line in slurm(cluster, "squeue", *fields).splitlines())
    first = ("sbatch", "-p", "cpu", "-w", node, "--exclusive", "-o", "/dev/null")
    slurm(cluster, *first, "--wrap", "sleep 2")
    assert run.process.wait(300) == 0, run.log
    restarts = slurm(cluster, "scontrol", "show", "job", job)
    assert "Restarts=1" in restarts
    assert not list(adapter.glob(".checkpoint/*"))
    undisturbed = Project(tmp_path / "q", SMALLEST)
    undisturbed.lengthen_the_induction()
    assert undisturbed.run("--", target)[0] == 0
    weights = "adapter_model.safetensors"
    other = (undisturbed.folder / target).parent
    assert (adapter / weights).read_bytes() == (other / weights).read_bytes()
