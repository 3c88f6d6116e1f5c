"""An undisturbed run to compare with, and projects in which all or the end is yet to be done."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments import SMALLEST, Project, cache_of, finished
from selfsame import warm

# What is made from the repaired state: a quarter of all steps, with a finetune and the report.
LAST = ("states/em+identify", "persona", "relapse", "tables", "report", "report.html", ".lock")


@pytest.fixture(scope="session", autouse=True)
def one_warm_server() -> None:
    """For all runs of this process: the imports cost more than what a run has left to do."""
    warm.offer()


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A run that nothing befell; to be copied."""
    return finished(tmp_path_factory, SMALLEST)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A copy of the project in which nothing has run."""
    return Project(tmp_path / "p", SMALLEST)


@pytest.fixture
def late(undisturbed: Project, tmp_path: Path) -> Project:
    """A run that was undisturbed until the last steps, which are left to do."""
    project = undisturbed.copied(tmp_path / "late")
    for name in LAST:
        path = project.results / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return project


@pytest.fixture
def full_cache(undisturbed: Project, tmp_path: Path) -> Path:
    """A cache that holds every step."""
    return Path(shutil.copytree(cache_of(undisturbed), tmp_path / "cache"))


@pytest.fixture
def recovers(undisturbed: Project) -> Callable[..., None]:
    """Check that one more call ends with the tables of the undisturbed run."""

    def check(project: Project, **environment: str) -> None:
        status, said = project.run(**environment)
        assert status == 0, said[-4000:]
        assert project.broken() == []
        assert project.tables() == undisturbed.tables()
        assert not list(project.results.rglob(".partial-*"))

    return check
