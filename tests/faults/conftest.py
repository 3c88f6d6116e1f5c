"""An undisturbed run to compare with."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from experiments import SMALLEST, Project


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pa.Table]:
    """The tables of a run that nothing befell."""
    project = Project(tmp_path_factory.mktemp("undisturbed") / "p", SMALLEST)
    status, said = project.run()
    assert status == 0, said[-4000:]
    return project.tables()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A copy of the project in which nothing has run."""
    return Project(tmp_path / "p", SMALLEST)


@pytest.fixture
def recovers(undisturbed: dict[str, pa.Table]) -> Callable[[Project], None]:
    """Check that one more call ends with the tables of the undisturbed run."""

    def check(project: Project, **environment: str) -> None:
        status, said = project.run(**environment)
        assert status == 0, said[-4000:]
        assert project.broken() == []
        assert project.tables() == undisturbed
        assert not list(project.results.rglob(".partial-*"))

    return check
