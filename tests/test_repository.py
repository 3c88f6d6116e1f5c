"""Facts that stand in more than one place of the repository agree."""

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# The search passes over this file.
MACHINE_PATHS = ("/home/[a-z]", "/Users/[a-z]")

OWN = {
    "selfsame",
    "snakemake_executor_plugin_selfsame_slurm",
    "snakemake_logger_plugin_selfsame",
}
DISTRIBUTION = {"sklearn": "scikit-learn", "yaml": "pyyaml"}
EXTRAS = ("benchmarks", "quantised")


@pytest.fixture(scope="module")
def project(root: Path) -> dict[str, Any]:
    with (root / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)


def test_the_conda_environment_is_that_of_the_project(root: Path, project: dict[str, Any]) -> None:
    environment = yaml.safe_load((root / "envs" / "selfsame.yaml").read_text())
    *conda, pip = environment["dependencies"]
    assert pip == {"pip": project["project"]["dependencies"]}
    assert f"python {project['project']['requires-python']}" in conda


def test_the_lock_satisfies_every_range(root: Path, project: dict[str, Any]) -> None:
    lines = (root / "requirements.lock").read_text().splitlines()
    pinned = [Requirement(line) for line in lines if re.match(r"\w", line)]
    versions = {canonicalize_name(pin.name): str(pin.specifier) for pin in pinned}
    assert all(re.fullmatch(r"==[\w.+!]+", version) for version in versions.values())
    assert len(versions) == len(pinned)
    wanted = [
        *project["project"]["dependencies"],
        *project["project"]["optional-dependencies"]["dev"],
    ]
    for text in wanted:
        needed = Requirement(text)
        version = versions[canonicalize_name(needed.name)].removeprefix("==")
        assert needed.specifier.contains(version), f"{text}: the lock has {version}"


def hard_requirements(package: str) -> set[str]:
    """What a package always brings along."""
    needed = [Requirement(text) for text in metadata.requires(package) or []]
    return {canonicalize_name(need.name) for need in needed if need.marker is None}


def test_the_library_imports_what_the_project_names(root: Path, project: dict[str, Any]) -> None:
    """Each third-party module is asked for in pyproject, or always comes with one that is."""
    text = "\n".join(path.read_text() for path in (root / "workflow_scripts").rglob("*.py"))
    modules = set(re.findall(r"^\s*(?:from|import) (\w+)", text, re.MULTILINE))
    modules -= {*sys.stdlib_module_names, *OWN}
    packages = {canonicalize_name(DISTRIBUTION.get(name, name)) for name in modules}
    extras = project["project"]["optional-dependencies"]
    named = {canonicalize_name(Requirement(d).name) for d in project["project"]["dependencies"]}
    optional = {canonicalize_name(Requirement(d).name) for x in EXTRAS for d in extras[x]}
    assert packages <= optional | named.union(*map(hard_requirements, named))


def test_no_file_names_a_place_on_somebodys_machine(root: Path) -> None:
    if not (root / ".git").exists():
        pytest.skip("not a git checkout")
    pattern = "|".join(MACHINE_PATHS)
    found = subprocess.run(
        ["git", "grep", "-nIE", pattern, "--", ".", ":!tests/test_repository.py"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode > 1:
        pytest.skip(f"git cannot search here: {found.stderr}")
    assert not found.stdout
