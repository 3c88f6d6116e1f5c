"""A step: a function of files and one spec (contract 1).

Every script in `workflow_scripts/` ends in `run(main, inputs=..., lists=...)`, which gives the
common command line:

    python workflow_scripts/<rule>.py --spec JSON --<role> PATH ... --out DIR [--threads N]
        [--gpu N] [--attempt N] [--code PATH ...]

`main(step)` reads `step.inputs`, writes files into `step.out` (a temporary directory) and returns
one line that says what it found. Only then do the files appear under their final names,
`manifest.json` last: a manifest without its files, or half a file, is never seen.

A result that the cache holds (`selfsame/cache/`) is restored instead, before anything heavy is
imported. What is recorded of a run's code is what it loaded (`selfsame/loading.py`).
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from selfsame import devices, loading
from selfsame.attempts import Attempt
from selfsame.cache.shelf import NOWHERE, Shelf, shelf_for
from selfsame.digests import canonical, file_digests, sha256_file, sha256_text
from selfsame.locks import alone_in
from selfsame.publish import digests_of, publish
from selfsame.warm import delegate

PARTIAL = ".partial-"
RESTORED = " (from the cache)"
# Set by a scheduler's executor, which asks before it submits: restore, or end with this status.
RESTORE_ONLY = "SELFSAME_RESTORE_ONLY"
NOT_KEPT = 3
VERSIONED = (
    "numpy",
    "pandas",
    "peft",
    "pyarrow",
    "scikit-learn",
    "scipy",
    "statsmodels",
    "torch",
    "transformers",
)


@dataclass(frozen=True)
class Step:
    """What a step's main receives: its spec, its inputs by role, where to write, its threads.

    code: one digest of the modules that it runs. gpus: how many the job was given.
    """

    spec: dict[str, Any]
    inputs: dict[str, list[Path]]
    out: Path
    final: Path
    threads: int
    shelf: Shelf = NOWHERE
    code: str = ""
    gpus: int = 0
    notes: dict[str, Any] = field(default_factory=dict)

    def path(self, role: str) -> Path:
        """The only path of a role. Raises ValueError when the role has more or fewer."""
        (path,) = self.inputs[role]
        return path

    def folder(self, role: str) -> Path:
        """The folder of a role whose path is that folder's manifest."""
        return self.path(role).parent

    def part(self, roles: dict[str, list[Path]], make: Callable[[Path], None]) -> Path:
        """A folder with a part of the result, from the cache or made now by `make(folder)`.

        roles: the inputs that the part needs where it does not need all of a role's; of the spec,
        the code and the other roles a part is taken to need everything.
        """
        shelf = self.shelf.part(roles)
        folder = Path(tempfile.mkdtemp(dir=self.out.parent)) / "part"
        kept = shelf.fetch(folder)
        if kept is None:
            folder.mkdir()
            make(folder)
            shelf.keep(folder, {"outputs": digests_of(folder), "notes": self.notes, "found": ""})
        else:
            self.notes.update(kept["notes"])
        return folder


def _script() -> str:
    return Path(sys.argv[0]).stem


def _always(_spec: dict[str, Any]) -> bool:
    return True


def run(
    main: Callable[[Step], str],
    *,
    inputs: Sequence[str] = (),
    lists: Sequence[str] = (),
    kept: Callable[[dict[str, Any]], bool] = _always,
    reads_manifests: bool = False,
) -> None:
    """Run `main` as a step: from the cache, in a warm worker where one is offered, or here.

    inputs: roles with exactly one path; lists: roles with any number.
    kept: whether the result of a spec may be kept and restored.
    reads_manifests: what the manifests of the inputs say of their runs is part of the result.

    Ends the process: 0 when done, 1 with one line on a UserError, 75 with one on a TryAgain.
    """
    arguments = _parse(inputs, lists)
    arguments.inputs = {role: getattr(arguments, role) for role in (*inputs, *lists)}
    digests = file_digests(arguments.code)
    task = sha256_text(canonical([arguments.spec, digests]))
    attempt = Attempt(arguments.out, arguments.attempt, task)
    attempt.refuse_repeat()
    with attempt.judged():
        code = digests if kept(arguments.spec) else {}
        shelf = shelf_for(_script(), arguments.spec, arguments.inputs, code, reads_manifests)
        found = _restore(arguments, shelf)
    if found is not None:
        print(found + RESTORED)
        return
    if RESTORE_ONLY in os.environ:
        sys.exit(NOT_KEPT)
    with attempt.judged():
        devices.claim(arguments.gpu)
    delegate(sys.argv, devices.held)
    with attempt.judged():
        print(_execute(main, arguments, shelf, digests))


def _parse(inputs: Sequence[str], lists: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--spec", required=True, type=json.loads, help="canonical JSON of the step")
    parser.add_argument("--out", required=True, type=Path, help="folder for the outputs")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--gpu", type=int, default=0, help="GPUs the job was given")
    parser.add_argument("--attempt", type=int, default=1, help="number of this attempt at the job")
    parser.add_argument("--code", type=Path, nargs="*", default=[], help="the step's modules")
    for role in inputs:
        parser.add_argument(f"--{role}", required=True, type=Path, nargs=1)
    for role in lists:
        parser.add_argument(f"--{role}", type=Path, nargs="*", default=[])
    return parser.parse_args()


@contextmanager
def _workplace(out: Path) -> Iterator[Path]:
    """A temporary folder beside the outputs, for one job at a time.

    What a killed run left goes first.
    """
    out.mkdir(parents=True, exist_ok=True)
    with alone_in(out):
        for left_by_killed_run in out.glob(f"{PARTIAL}*"):
            shutil.rmtree(left_by_killed_run, ignore_errors=True)
        temporary = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=out))
        try:
            yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _restore(arguments: argparse.Namespace, shelf: Shelf) -> str | None:
    """Publish what the cache holds; what was found, or None where it holds nothing."""
    with _workplace(arguments.out) as temporary:
        kept = shelf.fetch(temporary / "files")
        if kept is None:
            return None
        manifest = kept | {"inputs": _inputs(arguments.inputs)}
        publish(temporary / "files", arguments.out, manifest)
    return str(manifest["found"])


def _execute(
    main: Callable[[Step], str], arguments: argparse.Namespace, shelf: Shelf, code: dict[str, str]
) -> str:
    started = time.time()
    with _workplace(arguments.out) as temporary:
        out = temporary / "files"
        out.mkdir()
        loading.hold_to(code, Path(sys.argv[0]).parent)
        given = (arguments.spec, arguments.inputs, out, arguments.out, arguments.threads, shelf)
        step = Step(*given, sha256_text(canonical(code)), arguments.gpu)
        found = main(step)
        manifest = _manifest(step, found, time.time() - started) | {"code": code}
        shelf.keep(out, manifest)
        publish(out, arguments.out, manifest)
    return found


def _manifest(step: Step, found: str, seconds: float) -> dict[str, Any]:
    return {
        "step": _script(),
        "spec": step.spec,
        "inputs": _inputs(step.inputs),
        "outputs": digests_of(step.out),
        "found": found,
        "seed": step.spec.get("seed"),
        "device": step.notes.get("device", "cpu"),
        "threads": step.threads,
        "seconds": round(seconds, 3),
        "versions": _versions(),
        **{key: value for key, value in step.notes.items() if key != "device"},
    }


def _inputs(paths: dict[str, list[Path]]) -> dict[str, list[dict[str, str]]]:
    return {
        role: [{"path": str(path), "sha256": sha256_file(path)} for path in found]
        for role, found in paths.items()
    }


def _versions() -> dict[str, str]:
    loaded = {"python": sys.version.split()[0]}
    for name in VERSIONED:
        module = {"scikit-learn": "sklearn"}.get(name, name)
        if module in sys.modules:
            loaded[name] = metadata.version(name)
    return loaded
