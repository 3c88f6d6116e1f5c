"""Runs of Snakemake on a private Slurm cluster that a test can watch and disturb."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import psutil

from experiments import Project
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
PATIENCE_S = 300
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


def at_work(folder: Path) -> bool:
    """Whether a step has begun to write."""
    return any(folder.glob(".partial-*"))


@dataclass(frozen=True)
class Held:
    """A step in a job of Slurm's, stopped in the middle of its work."""

    process: psutil.Process
    job: str
    node: str

    @classmethod
    def of(cls, process: psutil.Process) -> "Held":
        """Stop a process, which Slurm has told where it is."""
        process.suspend()
        names = process.environ()
        return cls(process, names["SLURM_JOB_ID"], names["SLURMD_NODENAME"])

    def release(self) -> None:
        """Let it go on."""
        self.process.resume()

    def ended(self) -> None:
        """Wait until it is no more, done or not."""
        assert wait_until(lambda: not self.process.is_running(), PATIENCE_S)


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

    def attempts(self, event: str) -> list[str]:
        """The attempts at jobs of `work` that came to an event."""
        return sorted(line.attempt for line in self.trace(event))

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

    def hold(
        self, *folders: Path, when: Callable[[Path], bool] = at_work, moment_s: float = 0
    ) -> list[Held]:
        """Stop the steps that write to these folders, each a moment after it has come so far."""
        held: dict[Path, Held] = {}

        def all_held() -> bool:
            for folder in set(folders) - held.keys():
                if when(folder) and (process := self._step(folder)) is not None:
                    time.sleep(moment_s)
                    held[folder] = Held.of(process)
            return len(held) == len(folders)

        assert wait_until(all_held, PATIENCE_S), self.log
        return [held[folder] for folder in folders]

    def _step(self, folder: Path) -> psutil.Process | None:
        """The process that writes to a folder, if there is one."""
        words = {"--out", str(folder.relative_to(self.folder))}
        for process in psutil.process_iter(["cmdline", "cwd"]):
            ours = process.info["cwd"] == str(self.folder)
            if ours and words <= set(process.info["cmdline"] or []):
                return process
        return None

    def kill(self) -> None:
        """Kill Snakemake alone, without a chance to do anything."""
        self.process.kill()
        self.process.wait()

    def ends_well(self) -> None:
        """Wait for its end, without an error."""
        assert self.end() == 0, self.log

    def finished(self, number: int = 1) -> None:
        """Wait until faults.smk ends well, with every result."""
        self.ends_well()
        assert (self.folder / "after.txt").read_text().split() == [str(i) for i in range(number)]

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


def experiment(project: Project, cluster: Cluster, *options: str, cache: Path | None = None) -> Run:
    """Start a project's experiment on a cluster, as a user would."""
    given = {**environment(cluster), "SELFSAME_CACHE": str(cache or "off")}
    return Run(
        project.folder, given, (*PROFILE, "--config", f"experiment={project.config}", *options)
    )


def slurm(cluster: Cluster, *command: str) -> str:
    """What one of Slurm's commands prints."""
    return subprocess.run(
        command, env=cluster.environment, capture_output=True, text=True, timeout=60, check=True
    ).stdout.strip()


def jobs(cluster: Cluster, run: Run, fields: str) -> list[list[str]]:
    """Fields (as squeue's --format names them) of all jobs of a run, in order of submission."""
    name = re.search(r"SLURM run ID: (\S+)", run.log)
    assert name is not None
    asked = ("--states=all", "--noheader", "--sort=i", f"--name={name[1]}", f"--format={fields}")
    return [line.split() for line in slurm(cluster, "squeue", *asked).splitlines()]


def preempt(cluster: Cluster, node: str) -> None:
    """Have a more important job, of two seconds, take a node for itself."""
    wanted = ("-p", "cpu", "-w", node, "--exclusive", "-o", "/dev/null")
    slurm(cluster, "sbatch", *wanted, "--wrap", "sleep 2")


def lose(cluster: Cluster, name: str) -> None:
    """Take a node away, with its jobs."""
    (daemon,) = running(cluster.folder, f"slurmd-{name}")
    kill(daemon)
    jobs = slurm(cluster, "squeue", "--noheader", f"--nodelist={name}", "--format=%i").split()
    for keeper in job_keepers(cluster):
        if _job_of(keeper) in jobs:
            kill(keeper)
    slurm(cluster, "scontrol", "update", f"nodename={name}", "state=down", "reason=test")


def _job_of(keeper: psutil.Process) -> str | None:
    """The job that a slurmstepd keeps, by its title "slurmstepd: [<job>.batch]"."""
    try:
        title = " ".join(keeper.cmdline())
    except psutil.NoSuchProcess:  # ended meanwhile
        return None
    return title.partition("[")[2].partition(".")[0]


def bring_back(cluster: Cluster, name: str) -> None:
    """Start a node's slurmd again, if it is lost."""
    (node,) = (node for node in cluster.nodes if node.name == name)
    if not running(cluster.folder, f"slurmd-{name}"):
        launch_node(cluster, node)


def calm(cluster: Cluster) -> None:
    """End every job and mend every node."""
    if not running(cluster.folder, "slurmctld"):
        launch_controller(cluster)
    slurm(cluster, "scancel", "--me")
    for node in cluster.nodes:
        bring_back(cluster, node.name)
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
