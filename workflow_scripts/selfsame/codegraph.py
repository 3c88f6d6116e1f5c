"""Which modules a step runs: code is an input (contract 3).

`modules_of("finetune")` gives the script and every module of the library that it imports, directly
or not, as paths relative to the project. They are a rule's inputs, and a digest of their bytes is
one of its params (`digest_of` in rules/common.smk): so an edit reruns exactly the steps that import
the module, whatever the file's time, and a touch or a branch switch reruns nothing.

What only carries a step (CARRIERS) is left out: it decides where a step runs and whether its result
is there already, never what the result is.
"""

import ast
from functools import cache
from pathlib import Path

import grimp

LIBRARY = "selfsame"
SCRIPTS = Path("workflow_scripts")
CARRIERS = tuple(
    f"{LIBRARY}.{name}" for name in ("attempts", "cache", "devices", "loading", "locks", "warm")
)


@cache
def _graph() -> grimp.ImportGraph:
    graph = grimp.build_graph(LIBRARY, cache_dir=None)
    for module in sorted(graph.modules):
        if f"{module}.".startswith(tuple(f"{carrier}." for carrier in CARRIERS)):
            graph.remove_module(module)
    return graph


def _imported_by_script(path: Path) -> set[str]:
    """Library modules that a script names, at its head or inside a function."""
    known: set[str] = _graph().modules
    named: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            named |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return named & known


def _file_of(module: str) -> Path:
    path = SCRIPTS / Path(*module.split("."))
    package = path / "__init__.py"
    return package if package.exists() else path.with_suffix(".py")


@cache
def modules_of(script: str, *extra: str) -> tuple[str, ...]:
    """Paths of the script, its modules, and `extra` modules that it loads by name.

    Packages' `__init__.py` hold a docstring only (a test sees to it) and are left out.
    """
    path = SCRIPTS / f"{script}.py"
    roots = _imported_by_script(path) | set(extra)
    modules = roots.union(*(_graph().find_upstream_modules(root) for root in roots))
    files = {_file_of(module) for module in modules}
    return tuple(sorted(str(file) for file in {path, *files} if file.name != "__init__.py"))
