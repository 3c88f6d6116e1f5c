"""`make why` against changes whose effect is known: causes in words, and what only follows."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from contract.expectation import nested
from contract.workspace import (
    Experiment,
    edited,
    environment,
    laid_over,
    record_of,
    write_config,
)
from selfsame.errors import UserError
from selfsame.why import differences, explain, main

MODULE = "workflow_scripts/selfsame/training/relapse.py"


def why(experiment: Experiment, over: dict[str, Any], state: str = "", seed: str = "") -> list[str]:
    path = write_config(experiment.folder, laid_over(experiment.document, over))
    return list(explain(str(path), state, seed, folder=experiment.folder))


def training(**keys: Any) -> dict[str, Any]:
    return nested(["stages", "identify", "finetuning"], keys)


def test_nothing_changed(organism: Experiment) -> None:
    assert why(organism, {}) == ["nothing would run"]


def test_a_key_is_named_with_both_values(organism: Experiment) -> None:
    said = why(organism, training(learning_rate=0.003), "em+identify", "0")
    assert said[0] == "sgtr_stage1 em+identify seed 0: finetuning.learning_rate 0.004 -> 0.003"
    assert said[1].startswith("5 steps would follow: ")
    assert said[2:] == ["6 steps would run"]


def test_several_changes_are_all_named(organism: Experiment) -> None:
    said = why(organism, {"persona": {"samples": 9}, **training(rank=3, steps=77)})
    roots = [line.split()[0].strip(",:") for line in said if ": " in line and "follow" not in line]
    assert sorted(roots) == ["evaluate_persona", "finetune_control", "sgtr_stage1"]
    assert "evaluate_persona, 9 steps: samples 4 -> 9" in said
    assert "finetuning.rank 2 -> 3; finetuning.steps 90 -> 77" in said[0] + said[1]


def test_a_state_is_explained_with_what_comes_before_it(organism: Experiment) -> None:
    said = why(organism, {"model": {"pretraining": {"epochs": 3}}}, "em_steered")
    assert said[0] == "base_model: organism.pretraining.epochs 1 -> 3"
    assert "1 induce_misalignment" in said[1]
    assert "sgtr_stage1" not in said[1]


def test_a_rule_may_be_asked_for(organism: Experiment) -> None:
    said = why(organism, {"statistics": {"seed": 3}}, "build_tables")
    assert said == ["build_tables: statistics.seed 0 -> 3", "1 step would run"]


@pytest.mark.parametrize("old", [False, True], ids=["new", "old"])
def test_a_module_is_named_once(organism: Experiment, old: bool) -> None:
    with edited(organism.folder / MODULE, old=old):
        said = why(organism, {})
    assert said[0] == "relapse, 6 steps: module training/relapse.py changed"
    assert re.fullmatch(r"\d+ steps would follow: .*", said[1])
    assert re.fullmatch(r"\d+ steps would run", said[2])
    assert len(said) == 3


def test_an_input_that_was_rebuilt_is_named(organism: Experiment) -> None:
    (data,) = (name for name, job in organism.ran.items() if job.rule == "prepare_data")
    manifest = organism.folder / data
    with edited(manifest, manifest.read_text() + " "):
        said = why(organism, {}, "collect_self_texts")
    assert "collect_self_texts base: input data was rebuilt" in said


def test_a_template_is_a_module_of_the_report(organism: Experiment) -> None:
    template = "reporting/templates/macros.html.j2"
    with edited(organism.folder / "workflow_scripts/selfsame" / template):
        said = why(organism, {})
    assert said == [f"report: module {template} changed", "1 step would run"]


def test_a_record_of_other_code_than_that_which_ran(organism: Experiment) -> None:
    """As an earlier version left it, and as an edit between a run's start and a step's does."""
    (tables,) = (name for name, job in organism.ran.items() if job.rule == "build_tables")
    path = record_of(organism.folder, tables)
    record = json.loads(path.read_text())
    spec, digest = sorted(record["params"], key=len, reverse=True)
    assert len(digest) == len("''") + 64
    for params in ([spec], [spec, repr("0" * 64)]):
        with edited(path, json.dumps(record | {"params": params})):
            said = why(organism, {})
        cause = "Snakemake noted other code than it ran with (edited during that run), or none"
        assert said[0] == f"build_tables: {cause}"
        assert said[1:] == ["1 step would follow: 1 report", "2 steps would run"]


def test_a_new_arm_never_ran(organism: Experiment) -> None:
    said = why(organism, {"arms": [*organism.document["arms"], "em+identify+random_labels"]})
    assert "finetune_control em+identify+random_labels seed 0: never ran" in said
    assert "measure_persona: induced.em+identify+random_labels absent -> em" in said


def test_what_snakemake_does_not_see_is_said(experiments: dict[str, Experiment]) -> None:
    """A data file with other bytes and an old time, as rsync leaves it."""
    experiment = experiments["chat_model"]
    path = experiment.folder / "data/articles.csv"
    with edited(path, path.read_text().replace("article 0", "article X"), old=True):
        said = why(experiment, {})
    assert said[0] == "nothing would run"
    assert "no notice" in said[1]
    assert said[2:] == ["  prepare_data: input data/articles.csv changed"]


def test_a_result_that_nothing_needs_is_not_missed(organism: Experiment) -> None:
    """Snakemake makes a deleted result anew only where a step that runs reads it."""
    (data,) = (name for name, job in organism.ran.items() if job.rule == "prepare_data")
    gone = organism.folder / data
    text, times = gone.read_text(), gone.stat()
    gone.unlink()
    assert why(organism, {}) == ["nothing would run"]
    assert "prepare_data: never ran" in why(organism, {"texts": {"temperature": 0.1}})
    gone.write_text(text)
    os.utime(gone, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_an_unknown_name_is_a_mistake(organism: Experiment) -> None:
    with pytest.raises(UserError, match=r"'em\+identfy'; did you mean 'em\+identify'"):
        why(organism, {}, "em+identfy")
    with pytest.raises(UserError, match=r"'7'; allowed: 0"):
        why(organism, {}, "em", "7")


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, [("a.c", (2, 3))]),
        ({"a": None}, {"a": {"b": 1}}, [("a", (None, {"b": 1}))]),
        ({"a": 1}, {"b": [1]}, [("a", (1, "absent")), ("b", ("absent", [1]))]),
        ({"a": 1}, {"a": 1.0}, []),
    ],
)
def test_differences_are_leaf_by_leaf(
    old: dict[str, Any], new: dict[str, Any], found: list[Any]
) -> None:
    assert list(differences(old, new)) == found


def test_a_run_that_was_cut_off(organism: Experiment) -> None:
    """The real first step, killed with all that runs it."""
    document = organism.document | {"experiment": "cut_off"}
    kill_in_the_middle(organism.folder, write_config(organism.folder, document))
    said = why(Experiment(organism.folder, document, {}), {})
    assert "base_model: its last run was cut off" in said
    assert "build_tables: never ran" in said
    assert said[-1] == f"{len(organism.ran)} steps would run"


def kill_in_the_middle(folder: Path, config: Path) -> None:
    variables = environment(folder)
    variables["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = [sys.executable, "-m", "snakemake", "--cores", "1"]
    run = subprocess.Popen(
        [*command, "--config", f"experiment={config}", "--", "base_model"],
        cwd=folder,
        env=variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not list((folder / "results" / config.stem / "base_model").glob(".partial-*")):
        assert run.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()


def test_the_command(
    organism: Experiment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_config(organism.folder, organism.document)
    monkeypatch.chdir(organism.folder)
    asked = ["why", "--experiment", "organism.yaml", "--seed", "0", "--state"]
    monkeypatch.setattr(sys, "argv", [*asked, "em"])
    main()
    assert capsys.readouterr().out == "nothing would run\n"
    monkeypatch.setattr(sys, "argv", [*asked, "me"])
    with pytest.raises(SystemExit, match="error: no step has the name or seed 'me'"):
        main()
