"""What Snakemake reserves for the jobs of the real workflow, from dry runs; nothing is run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

Reserved = dict[str, dict[str, str]]


def reserved(root: Path, folder: Path, text: str = "", *arguments: str) -> Reserved:
    """The resources of each rule's jobs, with `command`: the shell command of one of them."""
    config = folder / "mine.yaml"
    config.write_text(f"experiment: reserved_dry_run\n{text}")
    command = [sys.executable, "-m", "snakemake", "--cores", "8", "--dry-run", "--nocolor"]
    done = subprocess.run(
        [*command, "--printshellcmds", *arguments, "--config", f"experiment={config}"],
        capture_output=True,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "CUDA_VISIBLE_DEVICES": "0,1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: Reserved = {}
    for job in re.split(r"\n(?=(?:local)?rule )", done.stdout + done.stderr):
        rule = re.match(r"\s*(?:local)?rule (\w+):", job)
        values = re.search(r"resources: (.*)", job)
        shell = re.search(r"Shell command: (python .*)", job)
        if rule and values and shell:
            pairs = dict(pair.split("=", 1) for pair in values[1].split(", "))
            threads = re.search(r"threads: (\d+)", job)
            pairs["threads"] = threads[1] if threads else "1"
            found[rule[1]] = pairs | {"command": shell[1]}
    return found


@pytest.fixture(scope="module")
def first(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Reserved:
    return reserved(root, tmp_path_factory.mktemp("first"))


def test_every_rule_is_given_its_resources_and_tells_its_step(first: Reserved) -> None:
    assert len(first) > 15
    for rule, values in first.items():
        assert {"mem_mb", "runtime", "gpu", "attempt"} <= values.keys(), rule
        assert values["gpu"] == "0", rule
        told = f"--threads {values['threads']} --gpu 0 --attempt 1 > "
        assert told in values["command"], rule


def test_a_further_attempt_gets_more_memory_and_time(
    first: Reserved, root: Path, tmp_path: Path
) -> None:
    third = reserved(root, tmp_path, "", "--attempt", "3")
    assert first.keys() == third.keys()
    for rule, values in third.items():
        for name in ("mem_mb", "runtime"):
            assert int(values[name]) == 3 * int(first[rule][name]), rule
        assert "--attempt 3 > " in values["command"]


def test_the_config_decides_by_kind_of_work(first: Reserved, root: Path, tmp_path: Path) -> None:
    text = "resources: {finetune: {threads: 3, mem_mb: 777, runtime: 9, gpu: 1}}"
    given = reserved(root, tmp_path, text)
    changed = {rule for rule in given if given[rule]["mem_mb"] != first[rule]["mem_mb"]}
    finetunes = {"induce_misalignment", "sgtr_stage1", "sgtr_stage2", "finetune_control"}
    assert changed == {*finetunes, "relapse"}
    for rule in changed:
        assert "--threads 3 --gpu 1 --attempt 1 > " in given[rule]["command"]
        assert (given[rule]["mem_mb"], given[rule]["runtime"]) == ("777", "9")
