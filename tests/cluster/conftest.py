"""A private Slurm cluster for the tests in this folder (`make test-cluster`).

They start a real slurmctld and three slurmd, which `make test-cluster` installs first. The plain
`make test` leaves them out.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

import slurm_runs
from selfsame.cluster.daemons import is_free, start, stop
from selfsame.cluster.layout import Cluster, program
from selfsame.errors import UserError

FIRST_PORT = 28000
FIGURES = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Have a place for figures that tests measure."""
    config.stash[FIGURES] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the measured figures at the end."""
    for line in terminalreporter.config.stash[FIGURES]:
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def figures(request: pytest.FixtureRequest) -> list[str]:
    """Lines to print at the end of the tests."""
    return request.config.stash[FIGURES]


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A running cluster, of which nothing is left afterwards."""
    try:
        program("slurmctld")
    except UserError as error:
        pytest.skip(str(error))
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder:
        cluster = Cluster(Path(folder), port=_first_port(), requeue_delay_s=5)
        start(cluster)
        yield cluster
        stop(cluster)
        assert not _processes_of(cluster)


@pytest.fixture
def faults(cluster: Cluster, tmp_path: Path) -> Iterator[Callable[..., slurm_runs.Run]]:
    """Start faults.smk in a folder of the test's own; afterwards the cluster is as before."""
    runs = []

    def begin(*options: str, **config: object) -> slurm_runs.Run:
        runs.append(slurm_runs.faults(tmp_path, cluster, *options, **config))
        return runs[-1]

    yield begin
    for run in runs:
        run.kill()
    slurm_runs.calm(cluster)


def _first_port() -> int:
    """Free ports; every process of pytest-xdist (gw0, gw1, ...) has a cluster of its own."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    firsts = range(FIRST_PORT + 100 * worker, FIRST_PORT + 100 * (worker + 1), 10)
    return next(port for port in firsts if all(map(is_free, Cluster(Path(), port).ports)))


def _processes_of(cluster: Cluster) -> list[str]:
    """Living processes that work in the cluster's folder or name it."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd", "status"]):
        words = [*(process.info["cmdline"] or []), process.info["cwd"] or ""]
        if process.info["status"] != psutil.STATUS_ZOMBIE:
            found += [word for word in words if word.startswith(str(cluster.folder))]
    return found
