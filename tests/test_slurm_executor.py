"""The executor without a Slurm: what its answers mean, which plugin it fits, what profile it has.

`tests/cluster` runs it on a real one.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from slurm_runs import FAULTS
from snakemake_executor_plugin_selfsame_slurm import leftovers
from snakemake_executor_plugin_selfsame_slurm.states import Fate, State, in_doubt, parse
from snakemake_executor_plugin_selfsame_slurm.version import NEEDED, PACKAGE, installed

# Answers of Slurm 22.05 to the executor's own questions.
SACCT = """\
1|CANCELLED by 0
3|COMPLETED
10|NODE_FAIL
15|PREEMPTED
22|TIMEOUT
23|RUNNING
24|OUT_OF_MEMORY
"""
SQUEUE = """\
10|PENDING|BeginTime
11|PENDING|launch failed requeued held
12|COMPLETING|None
15|RUNNING|None
16|PENDING|launch_failed_requeued_held
17|CANCELLED|None
18_3|COMPLETED|None
19|SPECIAL_NEW_STATE|None
"""


def fates(text: str) -> dict[str, str]:
    return {job: state.fate.name for job, state in parse(text).items()}


def test_sacct_may_say_who_cancelled_a_job() -> None:
    assert fates(SACCT) == {
        "1": "FAILED",
        "3": "DONE",
        "10": "FAILED",
        "15": "FAILED",
        "22": "FAILED",
        "23": "ACTIVE",
        "24": "FAILED",
    }


def test_only_what_a_job_does_not_leave_is_an_end() -> None:
    assert fates(SQUEUE) == {
        "10": "ACTIVE",
        "11": "STUCK",
        "12": "ACTIVE",
        "15": "ACTIVE",
        "16": "STUCK",
        "17": "FAILED",
        "18_3": "DONE",
        "19": "ACTIVE",
    }


def test_broken_lines_say_nothing() -> None:
    assert parse("\n|\n7|\nslurm_load_jobs error\n 8|RUNNING \n") == {"8": State("RUNNING")}


def test_slurmctld_has_the_last_word_on_a_job_that_it_took_up_again() -> None:
    """As the watch puts them together: squeue's answer over that of sacct."""
    accounts, queue = parse(SACCT), parse(SQUEUE)
    assert in_doubt(accounts, {"10", "23"}, "sacct")
    together = accounts | queue
    assert [together[job].fate for job in ("10", "15")] == [Fate.ACTIVE, Fate.ACTIVE]
    assert not in_doubt(accounts, {"3", "23"}, "sacct")


def test_squeue_is_not_enough_for_a_job_that_it_does_not_know() -> None:
    queue = parse(SQUEUE)
    assert in_doubt(queue, {"10", "99"}, "squeue")
    assert not in_doubt(queue, {"10", "17"}, "squeue")


def test_a_run_knows_its_own_jobs_names() -> None:
    name = f"{leftovers.prefix('my-run')}_218b2532-13e7-478c-ab29-57d3ae6f0a45"
    found = leftovers.NAME.fullmatch(name)
    assert found is not None
    assert int(found["pid"]) == os.getpid()
    assert leftovers.NAME.fullmatch("somebody_elses_218b2532") is None
    assert len(leftovers.prefix("x" * 99)) <= 50  # what the plugin accepts


def test_the_plugin_is_the_one_that_the_executor_fits() -> None:
    assert installed() == NEEDED


@pytest.fixture
def other_plugin(tmp_path: Path) -> dict[str, str]:
    """An environment in which another version of the plugin is installed."""
    record = tmp_path / f"{PACKAGE.replace('-', '_')}-9.9.0.dist-info" / "METADATA"
    record.parent.mkdir()
    record.write_text(f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 9.9.0\n")
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": search, "PYTHONPATH": str(tmp_path)}


def snakemake(folder: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "snakemake", f"--snakefile={FAULTS}", *options],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_with_another_plugin_it_says_so(
    root: Path, tmp_path: Path, other_plugin: dict[str, str]
) -> None:
    done = snakemake(tmp_path, "--profile", str(root / "profiles" / "slurm"), **other_plugin)
    assert done.returncode == 1
    assert f"needs {PACKAGE} {NEEDED}, here is 9.9.0" in done.stderr


def test_with_another_plugin_all_else_works(tmp_path: Path, other_plugin: dict[str, str]) -> None:
    done = snakemake(tmp_path, "--cores", "1", "first.txt", **other_plugin)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "first.txt").exists()


def test_without_slurm_it_says_so(root: Path, tmp_path: Path) -> None:
    """On a machine that may have Slurm, none of its commands is on the PATH."""
    for name in ("bash", "sh", "which"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    done = snakemake(tmp_path, "--profile", str(root / "profiles" / "slurm"), PATH=str(tmp_path))
    assert done.returncode == 1
    assert "Slurm does not answer: there is no command scontrol here" in done.stderr


def test_every_line_of_the_profile_is_explained(root: Path) -> None:
    """Each setting follows a comment, and so does each that a site fills in."""
    text = (root / "profiles" / "slurm" / "config.yaml").read_text()
    assert yaml.safe_load(text)["executor"] == "selfsame-slurm"
    blocks = [block.splitlines() for block in text.split("\n\n")]
    for block in blocks:
        assert block[0].startswith("#"), block
