"""Time and memory of Snakemake's own work on an experiment of 10,000 jobs: parsing, graph, checks.

Run: python benchmarks/dag.py [--seeds N]

The default experiment with many seeds, in a temporary copy of the workflow. Nothing is computed: a
finished results folder is made of empty manifests that Snakemake itself marks as done (`--touch`,
without its pause of a tenth of a second a job). Measured are processes of their own:

    nothing done           what a first `snakemake --dry-run` takes before it can start a job
    everything done        the check that there is nothing to do
    code touched           the same after a checkout has renewed the time of every code file
    one module edited      the same after an edit that concerns most jobs

The exit status is 1 where one of them takes more than 60 s or 2 GB, or says something wrong.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from snakemake.api import SnakemakeApi
from snakemake.executors import touch
from snakemake.settings.types import (
    ConfigSettings,
    DAGSettings,
    OutputSettings,
    Quietness,
    ResourceSettings,
)

from selfsame.dryrun import dry_run

WORKFLOW = ("Snakefile", "config", "envs", "profiles", "rules", "workflow_scripts")
MAX_SECONDS, MAX_MB = 60, 2048
EDITED = Path("workflow_scripts/selfsame/models/chat.py")
NOTHING = "Nothing to be done"


@dataclass(frozen=True)
class Cost:
    """What one call of Snakemake took, and what it printed."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    said: str

    @property
    def jobs(self) -> int:
        """How many jobs it would run."""
        total = re.search(r"^total +(\d+)$", self.said, re.MULTILINE)
        return int(total[1]) if total else 0

    @property
    def within_bar(self) -> bool:
        """Whether the project's bar holds."""
        return self.seconds <= MAX_SECONDS and self.peak_mb <= MAX_MB


def dry_run_cost(config: Path, checkout: Path) -> Cost:
    """One `snakemake --dry-run` as a process of its own."""
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--cores", "2", "--quiet", "rules"]
    command += ["--config", f"experiment={config}"]
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, cwd=checkout, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - started
        output.seek(0)
        said = output.read()
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{said}")
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, said)


def finish(config: Path, checkout: Path) -> None:
    """Make every output, empty, and have Snakemake record the jobs as done."""
    for job in dry_run(str(config), checkout):
        for output in job.outputs:
            path = checkout / output
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    touch.Executor.SLEEPING_TIME = 0
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=10_000),
            config_settings=ConfigSettings(config={"experiment": str(config)}),
            snakefile=checkout / "Snakefile",
            workdir=checkout,
        )
        workflow.dag(DAGSettings(forceall=True)).execute_workflow("touch")


@contextmanager
def copied_workflow() -> Iterator[Path]:
    """A copy of the workflow without any results."""
    root = Path(__file__).resolve().parents[1]
    with tempfile.TemporaryDirectory() as folder:
        for name in WORKFLOW:
            source, target = root / name, Path(folder) / name
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, target)
        yield Path(folder)


def measured(config: Path, checkout: Path) -> Iterator[tuple[str, Cost, bool]]:
    """Each case with its cost, and whether Snakemake came to the right answer."""
    empty = dry_run_cost(config, checkout)
    yield "nothing done", empty, empty.jobs > 0
    finish(config, checkout)
    done = dry_run_cost(config, checkout)
    yield "everything done", done, NOTHING in done.said
    for file in (checkout / "workflow_scripts").rglob("*.py"):
        file.touch()
    touched = dry_run_cost(config, checkout)
    yield "code touched", touched, NOTHING in touched.said
    with (checkout / EDITED).open("a", encoding="utf-8") as module:
        module.write("# edited\n")
    edited = dry_run_cost(config, checkout)
    yield "one module edited", edited, 0 < edited.jobs < empty.jobs


def main() -> int:
    """Measure all cases and print them; 1 where the bar is missed or an answer is wrong."""
    parser = argparse.ArgumentParser(description="Snakemake's work on an experiment of many jobs")
    parser.add_argument("--seeds", type=int, default=82, help="82 give about 10,000 jobs")
    seeds = list(range(parser.parse_args().seeds))
    missed = 0
    with copied_workflow() as checkout:
        config = checkout / "many.yaml"
        config.write_text(f"experiment: many\nseeds: {seeds}\n", encoding="utf-8")
        for name, cost, right in measured(config, checkout):
            missed += not (right and cost.within_bar)
            answer = f"{cost.jobs:6,} jobs to run" if right else "  WRONG ANSWER"
            spent = f"{cost.seconds:6.1f} s {cost.cpu_seconds:6.1f} CPU-s {cost.peak_mb:6,.0f} MB"
            print(f"{name:18s} {spent} {answer}", flush=True)
    print(f"bar: {MAX_SECONDS} s and {MAX_MB:,} MB; {missed} missed")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
