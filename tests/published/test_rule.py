"""The rule by Snakemake and the commands, as a user would run them, on a made-up publication."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from experiments import Project
from published_answers import MAPPING, answer_rows, conditions
from selfsame.published.observations import observations
from selfsame.published.settings import Publication
from selfsame.reporting.published_results import read_published
from selfsame.tables import parquet
from selfsame.tables.observations import OBSERVATIONS
from selfsame.tables.published import PUBLISHED_CONTRASTS, PUBLISHED_LEVELS
from selfsame.tables.published_runs import PRINTED_CELLS, PUBLISHED_RUNS, PUBLISHED_STATES
from selfsame.tables.scores import SCORES

RUNS = conditions(base=["1110"], em=["1100", "10-0"], em_sgtr=["1110", "1111"])
MADE = {
    "observations": OBSERVATIONS,
    "scores": SCORES,
    "states": PUBLISHED_STATES,
    "runs": PUBLISHED_RUNS,
    "levels": PUBLISHED_LEVELS,
    "contrasts": PUBLISHED_CONTRASTS,
    "printed": PRINTED_CELLS,
}


def script(root: Path, name: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, root / "workflow_scripts" / name, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(root / "workflow_scripts")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the project in which the rule has run by itself."""
    folder = tmp_path_factory.mktemp("published")
    experiment = folder / "given" / "mine.yaml"
    experiment.parent.mkdir()
    named = {"file": "answers.csv", "mapping": "mapping.yaml"}
    statistics = {"bootstrap_samples": 200}
    experiment.write_text(
        yaml.safe_dump({"experiment": "mine", "published": named, "statistics": statistics})
    )
    made = Project(folder / "project", experiment)
    (made.folder / "mapping.yaml").write_text(yaml.safe_dump(MAPPING, sort_keys=False))
    answer_rows(RUNS).to_csv(made.folder / "answers.csv", index=False)
    status, said = made.run("--", "published_numbers")
    assert status == 0, said
    return made


def test_it_writes_all_tables_under_their_schemas(project: Project) -> None:
    folder = project.results / "published"
    for name, schema in MADE.items():
        assert pq.read_schema(folder / f"{name}.parquet").equals(schema, check_metadata=False)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["found"] == "20 answers, 1 of 3 printed figures agree"
    assert json.loads((folder / "publication.json").read_text())["title"] == MAPPING["title"]


def test_nothing_else_was_run_and_nothing_runs_again(project: Project) -> None:
    assert {path.name for path in project.results.iterdir() if path.is_dir()} == {
        "published",
        "logs",
    }
    _, said = project.run("--dry-run", "--", "published_numbers")
    assert "Nothing to be done" in said


def test_a_wrong_file_stops_the_run_before_any_job(project: Project) -> None:
    answers = project.folder / "answers.csv"
    before = answers.read_text()
    answers.write_text(before.replace("Invalid", "invalid"))
    status, said = project.run("--dry-run", "--", "published_numbers")
    answers.write_text(before)
    assert status != 0
    assert "published: answers.csv: row 11: answer 'invalid' is not among A, B, Invalid" in said
    assert "Traceback" not in said


def test_the_command_prints_the_table(root: Path, project: Project) -> None:
    done = script(
        root, "show_published.py", "answers.csv", "--mapping", "mapping.yaml", cwd=project.folder
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["Model", "One", "em", "2", "62.5", "±", "17.7", "58.3", "±", "11.8", "12.5"] in rows
    assert "1 of 3 printed figures agree to the last digit." in done.stdout
    assert "m em: mean 50.0 is printed, 62.5 computed" in done.stdout
    assert "m em: sd 35.4 is printed, 17.7 computed" in done.stdout
    absent = script(root, "show_published.py", "none.csv", cwd=project.folder)
    assert (absent.returncode, absent.stdout) == (1, "")
    assert absent.stderr.startswith("error: none.csv: cannot be read: ")


def test_build_tables_puts_ours_on_the_grid(
    root: Path, tmp_path: Path, publication: Publication, read
) -> None:
    """The step on our own answers to the same questions: the very figures of the published ones."""
    answered = observations(read(RUNS), publication).assign(experiment="mine")
    for folder, frame in {"answers": answered, "surface": answered.iloc[:0]}.items():
        (tmp_path / folder).mkdir()
        parquet.write_frame(tmp_path / folder / "observations.parquet", frame, OBSERVATIONS)
        (tmp_path / folder / "manifest.json").write_text("{}")
    arms = {chain: {"parent": None, "controls": []} for chain in answered["chain"].unique()}
    contrast = {"name": "reversal", "induction": "em", "chain": "em+identify", "control": "em"}
    spec = {
        "statistics": {"bootstrap_samples": 200},
        "arms": {chain: arm for chain, arm in arms.items() if chain == "em"},
        "induced": {},
        "relapse": None,
        "published": {"probe": "truthful", "contrasts": [{**contrast, "lineage": True}]},
    }
    given = ["--spec", json.dumps(spec), "--observations", "answers/manifest.json"]
    places = ["--surface", "surface/manifest.json", "--out", "out"]
    done = script(root, "build_tables.py", *given, *places, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    contrasts = pd.read_parquet(tmp_path / "out" / "published_contrasts.parquet")
    assert contrasts["estimate"].iloc[0] == pytest.approx(1 / 8 - 5 / 8)
    assert contrasts["experiment"].unique().tolist() == ["mine"]
    levels = pd.read_parquet(tmp_path / "out" / "published_levels.parquet")
    assert set(levels["chain"]) == {"base", "em", "em+identify"}


def test_the_report_reads_both(project: Project, tmp_path: Path) -> None:
    found = read_published(project.results / "published", tmp_path)
    assert found is not None
    assert found.conditions["Model One", "em+identify"] == "em_sgtr"
    assert found.own_levels.empty
    assert read_published(None, tmp_path) is None
