"""A private Slurm cluster for the tests in this folder (`make test-cluster`).

They start a real slurmctld and three slurmd, which `make test-cluster` installs first. The plain
`make test` leaves them out.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psutil
import pytest

import slurm_runs
from experiments import SMALLEST, Project
from selfsame.cluster.daemons import is_free, start, stop
from selfsame.cluster.layout import Cluster, program
from selfsame.errors import UserError
from slurm_runs import Run

FIRST_PORT = 28000
FIGURE = "figure"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the measured figures at the end; reports bring them from the processes that test."""
    for report in terminalreporter.getreports("passed"):
        for line in (value for name, value in report.user_properties if name == FIGURE):
            terminalreporter.write_line(line)


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Have a line printed at the end of the tests."""
    return partial(record_property, FIGURE)


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


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The smallest experiment, finished without Slurm and without a fault, and kept in a cache."""
    folder = tmp_path_factory.mktemp("undisturbed")
    project = Project(folder / "p", SMALLEST, SELFSAME_CACHE=str(folder / "cache"))
    project.lengthen("em+identify", 300)
    status, said = project.run()
    assert status == 0, said
    return project


@pytest.fixture
def faults(cluster: Cluster, tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Start faults.smk in a folder of the test's own; afterwards the cluster is as before."""
    with _calm_afterwards(cluster) as runs:

        def begin(*options: str, **config: object) -> Run:
            runs.append(slurm_runs.faults(tmp_path, cluster, *options, **config))
            return runs[-1]

        yield begin


@pytest.fixture
def experiment(cluster: Cluster) -> Iterator[Callable[..., Run]]:
    """Start a project's experiment through Slurm; afterwards the cluster is as before."""
    with _calm_afterwards(cluster) as runs:

        def begin(project: Project, *options: str, cache: Path | None = None) -> Run:
            runs.append(slurm_runs.experiment(project, cluster, *options, cache=cache))
            return runs[-1]

        yield begin


@contextmanager
def _calm_afterwards(cluster: Cluster) -> Iterator[list[Run]]:
    runs: list[Run] = []
    yield runs
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
