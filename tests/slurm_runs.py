"""Runs of Snakemake on a private Slurm cluster that a test can watch and disturb."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from selfsame.cluster.daemons import (
    job_keepers,
    kill,
    launch_controller,
    launch_node,
    running,
    wait_until,
)
from selfsame.cluster.layout import Cluster

FAULTS = Path(__file__).parent / "cluster" / "faults.smk"
# Nothing here takes half as long: a run that takes longer hangs.
PATIENCE_S = 180
QUICK = (
    "--selfsame-slurm-init-seconds-before-status-checks=1",
    "--selfsame-slurm-max-seconds-between-status-checks=2",
)
# The profile as a user has it, but with a shorter wait between looks.
PROFILE = ("--profile", "profiles/slurm", "--latency-wait", "5", *QUICK)


class Line(NamedTuple):
    """What a job of faults.smk wrote: at its start or end, its number, attempt, id in Slurm, ..."""

    event: str
    number: str
    attempt: str
    job: str
    node: str
    device: str


@dataclass
class Run:
    """A call of Snakemake in a folder."""

    folder: Path
    environment: dict[str, str]
    options: tuple[str, ...]
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        """Start it."""
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                ["snakemake", *self.options],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_default_signals,  # noqa: PLW1509 - no threads here
            )

    @property
    def log(self) -> str:
        """What the latest call in this folder has said."""
        return (self.folder / "log").read_text()

    def trace(self, event: str) -> list[Line]:
        """The lines that jobs of `work` have written."""
        path = self.folder / "trace.txt"
        lines = path.read_text().splitlines() if path.exists() else []
        return [Line(*line.split()) for line in lines if line.startswith(event)]

    def started(self, number: int = 1) -> list[Line]:
        """The first jobs that start, once so many have."""
        found = wait_until(lambda: len(self.trace("start")) >= number, PATIENCE_S)
        assert found, self.log
        return self.trace("start")

    def end(self) -> int:
        """The exit status. A run that hangs is killed and fails the test."""
        try:
            return self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the run hangs:\n{self.log}") from None

    def kill(self) -> None:
        """Kill Snakemake, without a chance to do anything."""
        self.process.kill()
        self.process.wait()

    def said(self, text: str) -> None:
        """Wait until the log has this text."""
        assert wait_until(lambda: text in self.log, PATIENCE_S), self.log


def environment(cluster: Cluster | None = None) -> dict[str, str]:
    """The environment of a run: this Python's programs, and a cluster's commands."""
    given = os.environ if cluster is None else cluster.environment
    search = os.pathsep.join([str(Path(sys.executable).parent), given["PATH"]])
    return {**given, "PATH": search, "OMP_NUM_THREADS": "1", "SELFSAME_CACHE": "off"}


def faults(folder: Path, cluster: Cluster, *options: str, **config: object) -> Run:
    """Start faults.smk on a cluster."""
    settings = [f"{key}={value}" for key, value in config.items()]
    fixed = ["--executor=selfsame-slurm", "--jobs=9", f"--snakefile={FAULTS}", "--nolock"]
    needs = ["--default-resources", "mem_mb=200", "runtime=5"]
    given = ["--config", *settings] if settings else []
    return Run(folder, environment(cluster), (*fixed, *QUICK, *options, *needs, *given))


def slurm(cluster: Cluster, *command: str) -> str:
    """What one of Slurm's commands prints."""
    return subprocess.run(
        command, env=cluster.environment, capture_output=True, text=True, timeout=60, check=True
    ).stdout.strip()


def lose(cluster: Cluster, name: str) -> None:
    """Take a node away, with its job. (Those of other nodes would go too: let there be none.)"""
    (daemon,) = running(cluster.folder, f"slurmd-{name}")
    kill(daemon)
    for keeper in job_keepers(cluster):
        kill(keeper)
    slurm(cluster, "scontrol", "update", f"nodename={name}", "state=down", "reason=test")


def calm(cluster: Cluster) -> None:
    """End every job and mend every node."""
    if not running(cluster.folder, "slurmctld"):
        launch_controller(cluster)
    slurm(cluster, "scancel", "--me")
    for node in cluster.nodes:
        if not running(cluster.folder, f"slurmd-{node.name}"):
            launch_node(cluster, node)
    for node in cluster.nodes:
        subprocess.run(
            ["scontrol", "update", f"nodename={node.name}", "state=idle"],
            env=cluster.environment,
            capture_output=True,
            check=False,
        )
    idle = ("sinfo", "--noheader", "-N", "-o", "%T")
    assert wait_until(lambda: set(slurm(cluster, *idle).split()) == {"idle"}, 60)


def _default_signals() -> None:
    """A background job of a shell ignores SIGINT, and its children would too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
