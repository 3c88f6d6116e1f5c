"""Start and stop the daemons of a private cluster, without systemd and without leaving any."""

import subprocess
import time
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from socket import socket

import psutil

from selfsame.cluster.layout import DAEMONS, Cluster, Node, program, write
from selfsame.errors import UserError

PATIENCE_S = 30.0
STEP_S = 0.05


def start(cluster: Cluster) -> None:
    """Write the cluster's files, start its daemons, wait until every node is idle."""
    for daemon in (*DAEMONS, "sinfo"):
        program(daemon)
    if running(cluster.folder):
        raise UserError(f"{cluster.folder}: a cluster is running there already")
    for port in cluster.ports:
        if not is_free(port):
            raise UserError(f"port {port} is taken: choose another first port with --port")
    write(cluster)
    try:
        _launch_munged(cluster)
        launch_controller(cluster)
        for node in cluster.nodes:
            launch_node(cluster, node)
        _await_idle(cluster)
    except UserError:
        stop(cluster)
        raise


def stop(cluster: Cluster) -> None:
    """Cancel what runs, then stop every daemon; no process of the cluster is left."""
    if running(cluster.folder, "slurmctld"):
        _command(cluster, "scancel", "--me")
        wait_until(lambda: not _command(cluster, "squeue", "--me", "--noheader"), 10)
    for name in ("slurmctld", *(f"slurmd-{node.name}" for node in cluster.nodes)):
        stop_daemon(cluster.folder, name)
    for keeper in job_keepers(cluster):  # there was no controller to cancel its job
        kill(keeper)
    stop_daemon(cluster.folder, "munged")


def launch_controller(cluster: Cluster) -> None:
    """Start slurmctld, which answers a moment later."""
    _launch(cluster, [program("slurmctld"), "-f", str(cluster.configuration)])


def launch_node(cluster: Cluster, node: Node) -> None:
    """Start a node's slurmd."""
    _launch(cluster, [program("slurmd"), "-f", str(cluster.configuration), "-N", node.name])


def stop_daemon(folder: Path, name: str) -> None:
    """Stop the daemon of this name (as in `run/NAME.pid`), at last by force."""
    for process in running(folder, name):
        process.terminate()
        if not wait_until(partial(_ended, process), 10):
            process.kill()
    (folder / "run" / f"{name}.pid").unlink(missing_ok=True)


def running(folder: Path, name: str = "*") -> list[psutil.Process]:
    """The cluster's living daemons of a name."""
    files = (folder / "run").glob(f"{name}.pid")
    return [process for file in files if (process := _process(file, folder)) is not None]


def job_keepers(cluster: Cluster) -> list[psutil.Process]:
    """The processes that keep the cluster's running jobs (slurmstepd).

    Slurm's daemons, and so these, stand in the folder of their log.
    """
    return [
        process
        for process in psutil.process_iter(["name", "cwd"])
        if process.info["name"] == "slurmstepd"
        and process.info["cwd"] == str(cluster.folder / "log")
    ]


def kill(process: psutil.Process) -> None:
    """Kill a process and all that it started."""
    for each in [process, *process.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            each.kill()


def is_free(port: int) -> bool:
    """Whether nobody listens on a port of this machine."""
    with closing(socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def wait_until(true: Callable[[], bool], seconds: float) -> bool:
    """Whether something became true in time."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(STEP_S)
    return True


def _process(pid_file: Path, folder: Path) -> psutil.Process | None:
    """The daemon of a PID file, or None if it is gone and its number perhaps somebody else's."""
    try:
        process = psutil.Process(int(pid_file.read_text(encoding="utf-8")))
        ours = any(str(folder) in argument for argument in process.cmdline())
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return None
    return process if ours and not _ended(process) else None


def _ended(process: psutil.Process) -> bool:
    """Gone, or a zombie that nobody has asked about yet."""
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def _launch_munged(cluster: Cluster) -> None:
    folder = cluster.folder / "munge"
    _launch(
        cluster,
        [
            program("munged"),
            "--force",  # a private folder above (mode 0700) is fine
            f"--key-file={folder / 'munge.key'}",
            f"--socket={cluster.socket}",
            f"--seed-file={folder / 'munged.seed'}",
            f"--log-file={cluster.folder / 'log' / 'munged.log'}",
            f"--pid-file={cluster.folder / 'run' / 'munged.pid'}",
        ],
    )


def _launch(cluster: Cluster, command: list[str]) -> None:
    """Start a daemon, which leaves for the background by itself."""
    log = cluster.folder / "log" / "start.log"
    with log.open("ab") as file:
        done = subprocess.run(
            command,
            env=cluster.environment,
            cwd=cluster.folder,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            check=False,
        )
    if done.returncode:
        raise UserError(f"{Path(command[0]).name} did not start: see {log.parent}")


def _await_idle(cluster: Cluster) -> None:
    names = {node.name for node in cluster.nodes}

    def idle() -> bool:
        lines = _command(cluster, "sinfo", "--noheader", "-N", "-o", "%N %T").splitlines()
        return {line.split()[0] for line in lines if line.endswith(" idle")} == names

    if not wait_until(idle, PATIENCE_S):
        raise UserError(f"the nodes did not come up: see {cluster.folder / 'log'}")


def _command(cluster: Cluster, *command: str) -> str:
    """What one of Slurm's commands prints on this cluster; nothing if it fails or hangs."""
    try:
        done = subprocess.run(
            command,
            env=cluster.environment,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout.strip()
