"""Plans of the real workflow: on a bare checkout, after runs, and with a cache that is full."""

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from experiments import SMALLEST, cache_of, copy_parts, finished
from selfsame.config import specs
from selfsame.config.load import load_config
from selfsame.planning.plan import Line, Plan, plan, printed


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout in which nothing has run, without a cache."""
    copy_parts(tmp_path)
    monkeypatch.setenv("SELFSAME_CACHE", "off")
    return tmp_path


def dry_run(folder: Path) -> Counter[str]:
    """Jobs by rule as Snakemake's own table gives them."""
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "rules"]
    said = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    rows = re.findall(r"^(\w+) +(\d+)$", said.stdout + said.stderr, re.MULTILINE)
    return Counter({rule: int(count) for rule, count in rows if rule not in ("all", "total")})


def test_a_bare_checkout_is_planned_from_the_medians_that_come_with_it(bare: Path) -> None:
    found = plan(folder=bare)
    assert {line.rule: line.jobs for line in found.lines} == dry_run(bare)
    assert found.total.jobs == sum(line.jobs for line in found.lines)
    assert (found.total.unknown, found.total.cached, found.total.gpu_hours) == (0, 0, 0)
    assert found.total.core_hours == pytest.approx(sum(line.core_hours for line in found.lines))
    assert 0.01 < found.total.core_hours < 5
    assert "another machine" in "\n".join(printed(found))


def test_a_model_that_never_ran_is_unknown(bare: Path) -> None:
    (bare / "other.yaml").write_text("experiment: other\nmodel: {architecture: {layers: 3}}\n")
    found = plan(str(bare / "other.yaml"), bare)
    assert found.total.unknown == found.total.jobs > 0
    *_, total, note = printed(found)
    figures = ["unknown", "0.000", "unknown"]  # none of its jobs takes a GPU
    assert total.split() == ["total", f"{found.total.jobs:,}", "0", *figures]
    assert "base_model" in note


def record(folder: Path, step: str, spec: dict[str, object], seconds: float, device: str) -> None:
    folder.mkdir(parents=True)
    (folder / "file").write_bytes(b"x" * 1000)
    facts = {"step": step, "spec": spec, "seconds": seconds, "device": device}
    (folder / "manifest.json").write_text(json.dumps(facts | {"outputs": {"file": "digest"}}))


def test_gpu_hours_come_from_runs_on_gpus(bare: Path) -> None:
    """Two seeds of `em` took one and three hours on a GPU; 42 GPU jobs of its rule are planned."""
    spec = json.loads(_spec_of_base_model(bare))
    record(bare / "results/earlier/base_model", "base_model", spec, 0, "cpu")
    for seed, hours in enumerate((1, 3)):
        folder = bare / "results/earlier/states/em" / f"seed{seed}"
        record(folder, "finetune", {"chain": "em", "seed": seed}, 3600 * hours, "cuda:0")
    (bare / "mine.yaml").write_text("experiment: mine\nresources: {finetune: {gpu: 1}}\n")
    found = {line.rule: line for line in plan(str(bare / "mine.yaml"), bare).lines}
    line = found["induce_misalignment"]
    assert line.gpu_hours == pytest.approx(2 * line.jobs)
    assert line.size_bytes > 1000 * line.jobs
    assert found["report"].unknown == 1


ON_A_GPU = """
experiment: sized
extends: qwen2.5-0.5b
arms: [base, unpop, unpop+identify]
seeds: [0]
planning: {device: {tflops: 100}}
"""


def test_what_never_ran_on_a_gpu_is_estimated_from_size_and_says_so(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then one finetune is recorded: its rules are measured, and no other."""
    monkeypatch.chdir(bare)
    Path("sized.yaml").write_text(ON_A_GPU)
    found = plan("sized.yaml")
    said = list(printed(found))
    rows = {line.split()[0]: line for line in said if line}
    lines = {line.rule: line for line in found.lines}
    assert found.total.sized == sum(line.sized for line in found.lines) > 0
    assert (lines["induce_misalignment"].sized, lines["build_pairs"].sized) == (1, 0)
    assert "~" in rows["induce_misalignment"]
    assert "~" not in rows["build_pairs"]
    assert found.total.sized_gpu_hours == found.total.gpu_hours > 0
    (note,) = [line for line in said if "estimated from size, not measured" in line]
    assert note.startswith(f"~ is estimated from size, not measured: {found.total.sized:,} jobs")
    assert "100 TFLOP/s" in note
    assert not [line for line in said if line.startswith("Estimated from")]

    base: dict[str, dict[str, object]] = {
        "hf": {"path": None, "hub_id": "Qwen/Qwen2.5-0.5B-Instruct", "revision": None}
    }
    base["hf"]["trust_remote_code"] = False
    assert base == specs.base_model(load_config("sized.yaml"))
    record(bare / "results/earlier/base_model", "base_model", base, 0, "cpu")
    record(bare / "results/earlier/states/em", "finetune", {"chain": "unpop"}, 3600, "cuda:0")
    after = plan("sized.yaml")
    measured = {line.rule: line for line in after.lines}
    for rule in ("induce_misalignment", "sgtr_stage1"):
        assert (measured[rule].sized, measured[rule].gpu_hours) == (0, 1)
    assert measured["evaluate_behaviour"].sized == lines["evaluate_behaviour"].sized == 3
    assert after.total.gpu_hours == pytest.approx(after.total.sized_gpu_hours + 2)
    assert any(line.startswith("Estimated from 2 recorded runs") for line in printed(after))


def _spec_of_base_model(folder: Path) -> str:
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--printshellcmds", "base_model"]
    said = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    found = re.search(r"base_model\.py --spec '(.*?)'", said.stdout + said.stderr)
    assert found
    return found[1]


def test_where_all_is_done_nothing_is_printed_but_that() -> None:
    assert list(printed(Plan([], Line("total"), []))) == ["nothing would run"]


def test_what_is_said_to_be_cached_is_restored(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real run's results are gone, and its nulls changed: what comes of those runs anew."""
    undisturbed = finished(tmp_path_factory, SMALLEST)
    cache = str(shutil.copytree(cache_of(undisturbed), tmp_path / "cache"))
    monkeypatch.setenv("SELFSAME_CACHE", cache)
    project = undisturbed.copied(tmp_path / "project")
    config = project.folder / project.config
    assert not plan(str(config), project.folder).lines
    shutil.rmtree(project.results)
    config.write_text(config.read_text().replace("{draws: 20,", "{draws: 21,"))
    found = plan(str(config), project.folder)
    anew = {line.rule for line in found.lines if line.cached < line.jobs}
    assert anew == {"measure_persona", "build_tables", "report"}
    assert project.run()[0] == 0
    assert project.ran() == found.total.jobs - found.total.cached
