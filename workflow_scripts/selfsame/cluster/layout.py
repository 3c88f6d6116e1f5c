"""What a private cluster consists of, and the files it is made from."""

import os
import pwd
import shutil
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from selfsame.errors import UserError

CLIENTS = (
    "sbatch",
    "scancel",
    "scontrol",
    "sinfo",
    "squeue",
    "srun",
    "sacct",
    "sacctmgr",
    "sshare",
)
DAEMONS = ("munged", "slurmctld", "slurmd")
FOLDERS = ("bin", "dev", "log", "munge", "run", "spool", "state")
SOCKET_BYTES = 107
# An ordinary user's PATH often lacks the folders of daemons.
SEARCH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/usr/bin"])
NULL_DEVICE = os.makedev(1, 3)


@dataclass(frozen=True)
class Node:
    """A node: its name, its slurmd's port, whether it shows two (fake) GPUs."""

    name: str
    port: int
    gpus: bool = False


@dataclass(frozen=True)
class Cluster:
    """A cluster of the nodes n1, n2 (partitions cpu and low) and n3 (partition gpu) in a folder."""

    folder: Path
    port: int = 27000
    cpus: int = 4
    memory_mb: int = 8000
    preempt_mode: str = "REQUEUE"
    requeue_delay_s: int = 20

    @property
    def nodes(self) -> list[Node]:
        """The nodes, each with a port of its own."""
        numbers = range(1, 4)
        return [Node(f"n{number}", self.port + number, gpus=number == 3) for number in numbers]

    @property
    def ports(self) -> list[int]:
        """Every port the cluster listens on."""
        return [self.port, *(node.port for node in self.nodes)]

    @property
    def configuration(self) -> Path:
        """The file that tells Slurm's programs which cluster is meant."""
        return self.folder / "slurm.conf"

    @property
    def socket(self) -> Path:
        """Where munged listens."""
        return self.folder / "munge" / "munge.sock"

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which Slurm's commands mean this cluster."""
        search = os.pathsep.join([str(self.folder / "bin"), os.environ["PATH"]])
        return {**os.environ, "SLURM_CONF": str(self.configuration), "PATH": search}


def program(name: str) -> str:
    """The path of a program of Slurm's. Raises UserError when it is not installed."""
    found = shutil.which(name, path=SEARCH)
    if found is None:
        raise UserError(
            f"Slurm is not installed ({name} is missing); "
            "on Debian, as root: python -m selfsame.cluster install"
        )
    return found


def write(cluster: Cluster) -> None:
    """Write all files of a cluster that is not running."""
    if len(str(cluster.socket)) > SOCKET_BYTES:
        raise UserError(f"{cluster.folder}: the path is too long for a socket; take a shorter one")
    for name in FOLDERS:
        (cluster.folder / name).mkdir(parents=True, exist_ok=True)
    for node in cluster.nodes:
        (cluster.folder / "spool" / node.name).mkdir(exist_ok=True)
    (cluster.folder / "munge").chmod(0o755)  # munged insists on it
    cluster.configuration.write_text(slurm_conf(cluster), encoding="utf-8")
    gpus = _gpu_files(cluster.folder / "dev")
    (cluster.folder / "gres.conf").write_text(f"NodeName=n3 Name=gpu File={gpus}\n")
    _write_key(cluster.folder / "munge" / "munge.key")
    _write_commands(cluster)


def slurm_conf(cluster: Cluster) -> str:
    """The text of slurm.conf."""
    environment = Environment(
        loader=PackageLoader("selfsame.cluster"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - no HTML
    )
    return environment.get_template("slurm.conf.j2").render(
        folder=cluster.folder,
        port=cluster.port,
        nodes=cluster.nodes,
        cpus=cluster.cpus,
        memory_mb=cluster.memory_mb,
        preempt_mode=cluster.preempt_mode,
        requeue_delay_s=cluster.requeue_delay_s,
        host=socket.gethostname().split(".")[0],
        user=pwd.getpwuid(os.getuid()).pw_name,
    )


def _gpu_files(folder: Path) -> str:
    """Two devices that Slurm accepts as GPUs: it takes device files only.

    Only root may make some; others borrow two terminals' names, which nobody opens.
    """
    if os.getuid() != 0:
        return "/dev/tty[0-1]"
    for number in range(2):
        path = folder / f"gpu{number}"
        if not path.exists():
            os.mknod(path, stat.S_IFCHR | 0o600, NULL_DEVICE)
    return f"{folder}/gpu[0-1]"


def _write_key(path: Path) -> None:
    if path.exists():
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(os.urandom(1024))


def _write_commands(cluster: Cluster) -> None:
    """Slurm's commands for this cluster, and the file that puts them on the PATH.

    SLURM_CONF alone is not enough: inside a job the executor plugin removes all SLURM_ variables.
    """
    bin_folder = cluster.folder / "bin"
    for name in CLIENTS:
        path = shutil.which(name, path="/usr/bin:/usr/local/bin") or f"/usr/bin/{name}"
        script = f'#!/bin/sh\nSLURM_CONF="{cluster.configuration}" exec {path} "$@"\n'
        (bin_folder / name).write_text(script, encoding="utf-8")
        (bin_folder / name).chmod(0o755)
    lines = f'export SLURM_CONF="{cluster.configuration}"\nexport PATH="{bin_folder}:$PATH"\n'
    (cluster.folder / "env.sh").write_text(lines, encoding="utf-8")
