"""The same through real commands: the check, a step's script, and Snakemake."""

import os
import subprocess
import sys
from pathlib import Path

from malformed.workplace import ROOT, SCRIPTS, Ended, Workplace, tells
from selfsame.config import specs
from selfsame.digests import canonical


def run(*command: str) -> Ended:
    """Run Python in the working directory, a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, env=environment, check=False
    )
    return Ended(done.returncode, tuple((done.stdout + done.stderr).splitlines()), 0)


def test_the_check_of_a_config(workplace: Workplace) -> None:
    workplace.put("chat.jsonl", "{oops\n")
    workplace.write()
    found = run("-m", "selfsame.config.check", "mine.yaml")
    assert tells(found.line, "stages.em.data.file: chat.jsonl:1: broken JSON")


def test_a_step(workplace: Workplace, tmp_path: Path) -> None:
    workplace.put("chat.jsonl", "{oops\n")
    out = str(tmp_path / "out")
    spec = canonical(specs.prepare_data(workplace.load()))
    found = run(str(SCRIPTS / "prepare_data.py"), "--spec", spec, "--out", out)
    assert tells(found.line, "error: chat.jsonl:1: broken JSON")
    assert [path.name for path in Path(out).iterdir()] == [".lock"]


def test_snakemake_runs_nothing(workplace: Workplace) -> None:
    """Two mistakes, a line each, before any job."""
    workplace.put("chat.jsonl", "{oops\n")
    workplace.document["model"]["path"] = "config"
    workplace.write()
    told = run("-m", "snakemake", "-s", str(ROOT / "Snakefile"), "--cores", "1", "--config",
               "experiment=mine.yaml")  # fmt: skip
    assert told.status != 0
    said = "\n".join(told.lines)
    assert "Traceback" not in said
    assert said.count("stages.em.data.file: chat.jsonl:1: broken JSON") == 1
    assert said.count("model.path: config: no config.json") == 1
    assert not (workplace.folder / "results").exists()
