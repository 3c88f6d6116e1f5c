"""The modules that a step depends on, against a walk over the files written here."""

import ast
from pathlib import Path

import pytest

from selfsame.codegraph import modules_of

SCRIPTS = Path("workflow_scripts")
# What never changes a step's result: where it runs, whether it is tried again, what is reused.
CARRIERS = {"attempts.py", "cache", "devices.py", "loading.py", "locks.py", "warm.py"}


@pytest.fixture(autouse=True)
def _in_the_repository(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)


def scripts() -> list[str]:
    """Every script that is a step."""
    folder = Path(__file__).resolve().parents[1] / SCRIPTS
    return sorted(
        path.stem for path in folder.glob("*.py") if "selfsame.step import" in path.read_text()
    )


def imported(path: Path) -> set[Path]:
    """Files of the library that a file imports anywhere in it."""
    dotted: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            dotted.update(alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            dotted.add(str(node.module))
            dotted.update(f"{node.module}.{alias.name}" for alias in node.names)
    files = {SCRIPTS.joinpath(*name.split(".")).with_suffix(".py") for name in dotted}
    return {file for file in files if file.is_file() and not CARRIERS & {*file.parts}}


def reached(*start: Path) -> set[str]:
    """The files and all that they import, directly or not."""
    found, todo = set(start), list(start)
    while todo:
        new = imported(todo.pop()) - found
        found |= new
        todo += new
    return {str(path) for path in found}


@pytest.mark.parametrize("script", scripts())
def test_equal_to_an_independent_walk(script: str) -> None:
    modules = modules_of(script)
    assert set(modules) == reached(SCRIPTS / f"{script}.py")
    assert list(modules) == sorted(set(modules))


@pytest.mark.parametrize("kind", ["stages.word_count", "probes.recognition"])
def test_a_kind_is_added_with_what_it_imports(kind: str) -> None:
    script = "build_pairs" if kind.startswith("stages") else "build_probe"
    file = SCRIPTS.joinpath("selfsame", *kind.split(".")).with_suffix(".py")
    assert set(modules_of(script, f"selfsame.{kind}")) == reached(SCRIPTS / f"{script}.py", file)


def test_a_finetune_depends_on_training_and_not_on_sampling() -> None:
    modules = modules_of("finetune")
    library = "workflow_scripts/selfsame"
    assert {
        "workflow_scripts/finetune.py",
        f"{library}/training/finetune.py",
        f"{library}/models/chain.py",
        f"{library}/step.py",
    } <= set(modules)
    others = ("sampling", "probes", "stages", "statistics", "reporting", "config", "judging")
    assert not [
        name for name in modules if name.startswith(tuple(f"{library}/{o}" for o in others))
    ]


@pytest.mark.parametrize("script", ["judge_answers", "build_tables"])
def test_cheap_later_steps_import_no_model_code(script: str) -> None:
    folders = {Path(name).parent.name for name in modules_of(script)}
    assert not folders & {"models", "training", "sampling", "organism"}


def read_in(path: Path) -> set[str]:
    """Every name that a file reads or imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            found.add(node.id)
    return found


def tables_of(path: Path) -> set[str]:
    """The schemas that a module of `selfsame.tables` defines."""
    assigned = (node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Assign))
    return {target.id for node in assigned for target in node.targets if target.id.isupper()}


@pytest.mark.parametrize("script", scripts())
def test_a_step_depends_on_no_table_that_it_does_not_name(script: str) -> None:
    """A further column makes only those steps run again that write or read its table."""
    modules = [Path(name) for name in modules_of(script)]
    tables = [path for path in modules if path.parent.name == "tables"]
    assert tables or script in ("base_model", "fetch_dataset", "judge_model")
    named = set().union(*(read_in(path) for path in modules))
    for path in tables:
        assert path.stem in ("columns", "parquet") or tables_of(path) <= named, path


def test_no_two_kinds_depend_on_each_other() -> None:
    """Editing one kind reruns its own stages only."""
    for kind in (Path(SCRIPTS) / "selfsame" / "stages").glob("[a-z]*.py"):
        modules = modules_of("build_pairs", f"selfsame.stages.{kind.stem}")
        assert [name for name in modules if "/stages/" in name] == [str(kind)]


def test_packages_hold_a_docstring_only() -> None:
    """They are left out of the dependencies, so nothing may be in them."""
    packages = sorted((SCRIPTS / "selfsame").rglob("__init__.py"))
    assert packages
    for path in packages:
        (only,) = ast.parse(path.read_text()).body
        assert isinstance(only, ast.Expr), path
        assert isinstance(only.value, ast.Constant), path
    folders = {path.parent for path in (SCRIPTS / "selfsame").rglob("*.py")}
    assert folders == {path.parent for path in packages}
