"""Copies of the project in which a test may run experiments and break things."""

import copy
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from made_once import made_once
from selfsame.digests import sha256_file

ROOT = Path(__file__).resolve().parents[1]
MICRO = ROOT / "tests" / "end_to_end" / "micro.yaml"
SMALLEST = ROOT / "tests" / "end_to_end" / "smallest.yaml"
PARTS = ("Snakefile", "rules", "workflow_scripts", "config", "envs", "profiles")


def copy_parts(folder: Path) -> None:
    """The project's files without its tests."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        copy_of = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy_of(ROOT / part, folder / part)


def _default_interrupt() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Project:
    """A copy of the project with one experiment, run by Snakemake as a user would."""

    def __init__(self, folder: Path, experiment: Path, **environment: str) -> None:
        """Copy the project's parts and the experiment's file, where they are not there yet."""
        self.folder, self.environment = folder, environment
        self.seconds = 0.0  # that the latest run to the end took
        self.config = experiment.name
        self.results = folder / "results" / experiment.stem
        if not (folder / self.config).exists():
            copy_parts(folder)
            shutil.copy(experiment, folder)

    def copied(self, folder: Path) -> "Project":
        """The same elsewhere, with its results and what Snakemake remembers of them."""
        other = copy.copy(self)
        other.folder = Path(shutil.copytree(self.folder, folder))
        other.results = folder / self.results.relative_to(self.folder)
        return other

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        """Start a run in a session of its own."""
        command = ["snakemake", "--cores", "2", "--config", f"experiment={self.config}"]
        paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        scripts = str(self.folder / "workflow_scripts")
        given = {"PATH": paths, "OMP_NUM_THREADS": "1", "PYTHONPATH": scripts}
        return subprocess.Popen(
            [*command, *arguments],
            cwd=self.folder,
            env={**os.environ, **given, **self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            # A background job of a script ignores Ctrl-C, and so would what it starts.
            preexec_fn=_default_interrupt,  # noqa: PLW1509 - no threads here
        )

    def run(self, *arguments: str, **environment: str) -> tuple[int, str]:
        """Run to the end: exit status and what was said."""
        began = time.monotonic()
        process = self.start(*arguments, **environment)
        said, _ = process.communicate()
        self.seconds = time.monotonic() - began
        return process.returncode, said

    def lengthen(self, chain: str, steps: int = 1200) -> Path:
        """Have its last finetune take seconds and keep checkpoints; the folder of its adapter."""
        config, stage = self.folder / self.config, chain.rpartition("+")[2]
        begin = f"{stage}: {{data: {{rows: 16}}, finetuning: {{"
        short = f"{begin}steps: 4, "
        text = config.read_text()
        assert short in text
        config.write_text(text.replace(short, f"{begin}steps: {steps}, checkpoint_every: 5, "))
        return self.results / "states" / chain / "seed0" / "adapter"

    def tables(self) -> dict[str, pa.Table]:
        """Every table of the experiment's results."""
        files = [*self.results.glob("tables/*.parquet"), *self.results.glob("persona/*.parquet")]
        return {file.stem: pq.read_table(file) for file in sorted(files)}

    def broken(self) -> list[str]:
        """Files that are missing or not what the manifest beside them says."""
        return [
            str(manifest.parent / name)
            for manifest in self.results.rglob("manifest.json")
            for name, digest in json.loads(manifest.read_text())["outputs"].items()
            if not (manifest.parent / name).is_file()
            or sha256_file(manifest.parent / name) != digest
        ]

    def ran(self) -> int:
        """How many steps did their work in the last runs, by their logs."""
        logs = self.results.glob("logs/**/*.log")
        return sum("(from the cache)" not in log.read_text(errors="replace") for log in logs)


def finished(factory: pytest.TempPathFactory, experiment: Path) -> Project:
    """The experiment after an undisturbed run, to be copied; `cache_of` it holds every step."""

    def run(folder: Path) -> None:
        project = Project(folder / "project", experiment)
        status, said = project.run(SELFSAME_CACHE=str(cache_of(project)))
        assert status == 0, said[-4000:]

    return Project(made_once(factory, experiment.stem, run) / "project", experiment)


def cache_of(project: Project) -> Path:
    """The cache of a finished project."""
    return project.folder.parent / "cache"
