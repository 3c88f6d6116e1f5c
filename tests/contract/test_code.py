"""What runs again when a file changes: modules against the table, and what must never matter.

Each step has its modules as inputs (selfsame/codegraph.py) and one digest of them as a param, so
what an edit reaches is read off these; some of the modules are really edited, to see that Snakemake
does run those steps.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

from contract import expectation
from contract.expectation import depending, meant
from contract.table import MODULES, Modules
from contract.workspace import PYTHON, ROOT, Experiment, edited, record_of, snakemake
from selfsame.dryrun import Job

SCRIPTS = "workflow_scripts"
TEMPLATE = "selfsame/reporting/templates/report.html.j2"


def tracked() -> list[str]:
    """Every module, and every other file that a step reads beside its data."""
    folder = ROOT / SCRIPTS
    files = [*folder.rglob("*.py"), *folder.rglob("*.j2")]
    # Packages of the library hold a docstring only (tests/test_codegraph.py).
    empty = set((folder / "selfsame").rglob("__init__.py"))
    return sorted(str(path.relative_to(folder)) for path in {*files} - empty)


def rows_for(file: str) -> list[Modules]:
    """The rows of the table that name a file, or else those with a pattern for it."""
    exact = [row for row in MODULES if file in row.files]
    return exact or [row for row in MODULES if any(fnmatch(file, name) for name in row.files)]


def reading(experiments: dict[str, Experiment], file: str) -> list[Job]:
    path = f"{SCRIPTS}/{file}"
    jobs = [job for experiment in experiments.values() for job in experiment.ran.values()]
    return [job for job in jobs if path in job.inputs]


@pytest.mark.parametrize("file", tracked())
def test_a_module_is_read_by_just_these_rules(
    experiments: dict[str, Experiment], file: str
) -> None:
    (row,) = rows_for(file)
    jobs = reading(experiments, file)
    assert {job.rule for job in jobs} == {rule.removesuffix(":kind") for rule in row.rules}
    own = [job for job in jobs if f"{job.rule}:kind" in row.rules]
    assert all(job.spec["kind"] == Path(file).stem for job in own)


def test_the_table_names_no_module_that_is_not_there() -> None:
    files = tracked()
    known = [name for row in MODULES for name in row.files]
    assert len(known) == len(set(known))
    assert [name for name in known if not any(fnmatch(file, name) for file in files)] == []


def digest_of(folder: Path, paths: list[str]) -> str:
    """By hand: sha256 of the JSON of each path with the sha256 of its bytes."""
    each = [f'"{p}":"{hashlib.sha256((folder / p).read_bytes()).hexdigest()}"' for p in paths]
    return hashlib.sha256(f"{{{','.join(sorted(each))}}}".encode()).hexdigest()


def test_snakemake_keeps_a_digest_of_just_the_modules_of_a_step(
    experiments: dict[str, Experiment],
) -> None:
    for experiment in experiments.values():
        for job in experiment.ran.values():
            code = job.arguments["code"]
            assert {*code} == {path for path in job.inputs if path.startswith(SCRIPTS)}
            for output in job.outputs:
                params = json.loads(record_of(experiment.folder, output).read_text())["params"]
                assert repr(digest_of(experiment.folder, code)) in params, job.title


@pytest.mark.parametrize("old", [False, True], ids=["new", "old"])
@pytest.mark.parametrize(
    "file",
    [
        "selfsame/step.py",
        "selfsame/training/finetune.py",
        "selfsame/sampling/state.py",
        "selfsame/probes/recognition.py",
        "selfsame/stages/random_labels.py",
        "selfsame/persona/nulls.py",
        "selfsame/statistics/effects.py",
        "selfsame/config/references.py",
        "report.py",
        TEMPLATE,
    ],
)
def test_an_edited_module_runs_just_its_readers_again(
    organism: Experiment, file: str, old: bool
) -> None:
    """Whatever its time is then."""
    (row,) = rows_for(file)
    expected = depending(dict(organism.ran), meant(organism, row.rules, Path(file).stem))
    with edited(organism.folder / SCRIPTS / file, old=old):
        assert expectation.names(organism.dry_run()) == expected


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
def test_a_module_edited_while_its_step_runs_runs_its_readers_again(
    organism: Experiment, tmp_path: Path, late: bool
) -> None:
    """When the step ends, its output is newer than the edit, which its manifest has or has not."""
    folder = tmp_path / "checkout"
    shutil.copytree(organism.folder, folder)
    module = folder / SCRIPTS / "selfsame/statistics/effects.py"
    as_it_was = module.read_text()
    edit = f"if 'build_tables' in sys.argv[1]: open({str(module)!r}, 'a').write('# edited')\n"
    step = PYTHON.format(python=sys.executable)
    place = len(step) if late else step.index("given = ")
    (folder / "bin/python").write_text(step[:place] + edit + step[place:])
    snakemake(folder, "--forcerun", "build_tables", "--config", "experiment=organism.yaml")
    assert "# edited" in module.read_text()
    copy = Experiment(folder, organism.document, organism.ran)
    assert sorted(job.rule for job in copy.dry_run()) == ["build_tables", "report"]
    if not late:  # the step ran with the edit, which is taken back now
        module.write_text(as_it_was)
        assert sorted(job.rule for job in copy.dry_run()) == ["build_tables", "report"]


def test_a_new_import_is_noticed(organism: Experiment) -> None:
    """By a fresh process: in this one the import graph is known already."""
    script = organism.folder / SCRIPTS / "surface_baseline.py"
    text = script.read_text().replace("import pandas", "import selfsame.judging.rule, pandas")
    with edited(script, text):
        said = snakemake(organism.folder, "--dry-run", "--config", "experiment=organism.yaml")
    assert "rule surface_baseline:" in said
    assert "rule evaluate_behaviour:" not in said


def test_report_wording_runs_the_report_alone(organism: Experiment) -> None:
    with edited(organism.folder / SCRIPTS / TEMPLATE):
        assert [job.rule for job in organism.dry_run()] == ["report"]


# What never matters.


def test_comments_in_rules_environment_and_profile_run_nothing(organism: Experiment) -> None:
    for name in (
        "Snakefile",
        "rules/stages.smk",
        "envs/selfsame.yaml",
        "profiles/default/config.yaml",
    ):
        with edited(organism.folder / name):
            assert organism.dry_run() == [], name


def test_a_changed_command_runs_its_rule_again(organism: Experiment) -> None:
    path = organism.folder / "rules/tables.smk"
    text = path.read_text().replace('step("surface_baseline"', '"nice " + step("surface_baseline"')
    with edited(path, text):
        assert {job.rule for job in organism.dry_run()} == {
            *("surface_baseline", "build_tables", "report")
        }


def test_threads_resources_and_verbosity_of_a_call_run_nothing(organism: Experiment) -> None:
    said = snakemake(
        organism.folder,
        *("--dry-run", "--verbose", "--printshellcmds", "--cores", "7"),
        *("--set-threads", "induce_misalignment=3"),
        *("--set-resources", "evaluate_behaviour:mem_mb=77", "sgtr_stage1:runtime=7"),
        *("--default-resources", "mem_mb=99", "--config", "experiment=organism.yaml"),
    )
    assert "Nothing to be done" in said


def reordered(value: object) -> object:
    """The same with the keys of every mapping in the reverse order."""
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(value)}
    return [reordered(item) for item in value] if isinstance(value, list) else value


def test_the_order_of_keys_runs_nothing(organism: Experiment) -> None:
    default = organism.folder / "config/config.yaml"
    text = yaml.safe_dump(reordered(yaml.safe_load(default.read_text())), sort_keys=False)
    document = reordered(organism.document)
    assert isinstance(document, dict)
    with edited(default, text):
        assert Experiment(organism.folder, document, organism.ran).dry_run() == []


def test_another_place_runs_nothing(organism: Experiment) -> None:
    moved = organism.folder.with_name("moved")
    organism.folder.rename(moved)
    try:
        assert Experiment(moved, organism.document, organism.ran).dry_run() == []
    finally:
        moved.rename(organism.folder)


@pytest.fixture(scope="module")
def copy(organism: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """The whole checkout once more, with its results and Snakemake's records: a git repository."""
    folder = tmp_path_factory.mktemp("copy") / "checkout"
    shutil.copytree(organism.folder, folder)
    git(folder, "init", "--quiet", "--initial-branch", "main")
    commit(folder)
    return Experiment(folder, organism.document, organism.ran)


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=nobody", "-c", "user.email=nobody@localhost")
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def commit(folder: Path) -> None:
    git(folder, "add", "Snakefile", "rules", "config", SCRIPTS)
    git(folder, "commit", "--quiet", "--message", "as it is")


def test_a_branch_and_back_runs_nothing(copy: Experiment) -> None:
    git(copy.folder, "switch", "--quiet", "--create", "other")
    for file in ("selfsame/training/finetune.py", "selfsame/statistics/effects.py"):
        path = copy.folder / SCRIPTS / file
        path.write_text(path.read_text() + "\n# edited\n")
    commit(copy.folder)
    rules = {job.rule for job in copy.dry_run()}
    assert {"induce_misalignment", "relapse", "build_tables"} <= rules
    git(copy.folder, "switch", "--quiet", "main")
    assert copy.dry_run() == []


def test_touched_files_run_nothing(copy: Experiment) -> None:
    for path in copy.folder.rglob("*"):
        if not {"results", ".snakemake", ".git"} & {*path.parts}:
            os.utime(path)
    assert copy.dry_run() == []
