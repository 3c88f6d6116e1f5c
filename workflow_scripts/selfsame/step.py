"""A step: a function of files and one spec (contract 1).

Every script in `workflow_scripts/` ends in `run(main, inputs=..., lists=...)`, which gives the
common command line:

    python workflow_scripts/<rule>.py --spec JSON --<role> PATH ... --out DIR [--threads N]

`main(step)` reads `step.inputs`, writes files into `step.out` (a temporary directory) and returns
one line that says what it found. Only then do the files appear under their final names,
`manifest.json` last: a manifest without its files, or half a file, is never seen.
"""

import argparse
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from selfsame.errors import UserError
from selfsame.warm import delegate

MANIFEST = "manifest.json"
PARTIAL = ".partial-"
# Names of the files a run wrote. Not read from the manifest: Snakemake removes that before a rerun.
RECORD = ".outputs.json"
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
    """What a step's main receives: its spec, its inputs by role, where to write, its threads."""

    spec: dict[str, Any]
    inputs: dict[str, list[Path]]
    out: Path
    final: Path
    threads: int
    notes: dict[str, Any] = field(default_factory=dict)

    def path(self, role: str) -> Path:
        """The only path of a role. Raises ValueError when the role has more or fewer."""
        (path,) = self.inputs[role]
        return path

    def folder(self, role: str) -> Path:
        """The folder of a role whose path is that folder's manifest."""
        return self.path(role).parent


def canonical(spec: dict[str, Any]) -> str:
    """The one text of a spec, so that equal specs compare equal as Snakemake params."""
    return json.dumps(spec, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest beside a step's outputs."""
    manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return manifest


def run(
    main: Callable[[Step], str], *, inputs: Sequence[str] = (), lists: Sequence[str] = ()
) -> None:
    """Run `main` as a step: in a warm worker where the workflow offers one, else here.

    `inputs` are roles with exactly one path, `lists` roles with any number.
    Ends the process: 0 when done, 1 with one line on a UserError.
    """
    delegate(sys.argv)
    arguments = _parse(inputs, lists)
    try:
        print(_execute(main, arguments, [*inputs, *lists]))
    except UserError as error:
        sys.exit(f"error: {error}")


def _parse(inputs: Sequence[str], lists: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--spec", required=True, type=json.loads, help="canonical JSON of the step")
    parser.add_argument("--out", required=True, type=Path, help="folder for the outputs")
    parser.add_argument("--threads", type=int, default=1)
    for role in inputs:
        parser.add_argument(f"--{role}", required=True, type=Path, nargs=1)
    for role in lists:
        parser.add_argument(f"--{role}", type=Path, nargs="*", default=[])
    return parser.parse_args()


def _execute(main: Callable[[Step], str], arguments: argparse.Namespace, roles: list[str]) -> str:
    started = time.time()
    paths = {role: getattr(arguments, role) for role in roles}
    arguments.out.mkdir(parents=True, exist_ok=True)
    for left_by_killed_run in arguments.out.glob(f"{PARTIAL}*"):
        shutil.rmtree(left_by_killed_run, ignore_errors=True)
    temporary = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=arguments.out))
    try:
        step = Step(arguments.spec, paths, temporary, arguments.out, arguments.threads)
        found = main(step)
        manifest = _manifest(step, found, time.time() - started)
        _publish(temporary, arguments.out, manifest)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return found


def _manifest(step: Step, found: str, seconds: float) -> dict[str, Any]:
    return {
        "step": Path(sys.argv[0]).stem,
        "spec": step.spec,
        "inputs": {
            role: [{"path": str(path), "sha256": sha256_file(path)} for path in paths]
            for role, paths in step.inputs.items()
        },
        "outputs": {str(p.relative_to(step.out)): sha256_file(p) for p in _files(step.out)},
        "found": found,
        "seed": step.spec.get("seed"),
        "device": step.notes.get("device", "cpu"),
        "threads": step.threads,
        "seconds": round(seconds, 3),
        "versions": _versions(),
        **{key: value for key, value in step.notes.items() if key != "device"},
    }


def _versions() -> dict[str, str]:
    loaded = {"python": sys.version.split()[0]}
    for name in VERSIONED:
        module = {"scikit-learn": "sklearn"}.get(name, name)
        if module in sys.modules:
            loaded[name] = metadata.version(name)
    return loaded


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _publish(source: Path, target: Path, manifest: dict[str, Any]) -> None:
    """Move the files into place, manifest last; what an earlier run wrote and this one not goes."""
    _remove_stale(target, set(manifest["outputs"]))
    files = _files(source)
    _write(source / RECORD, sorted(manifest["outputs"]), target / RECORD)
    for path in files:
        final = target / path.relative_to(source)
        final.parent.mkdir(parents=True, exist_ok=True)
        _sync(path)
        os.replace(path, final)
    _write(source / MANIFEST, manifest, target / MANIFEST)


def _remove_stale(target: Path, keep: set[str]) -> None:
    """Remove the old manifest and what the earlier run wrote, unless it is about to be replaced."""
    (target / MANIFEST).unlink(missing_ok=True)
    record = target / RECORD
    written = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else []
    for name in set(written) - keep:
        (target / name).unlink(missing_ok=True)


def _write(temporary: Path, value: Any, final: Path) -> None:
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False)
    temporary.write_text(text + "\n", encoding="utf-8")
    _sync(temporary)
    os.replace(temporary, final)


def _sync(path: Path) -> None:
    with path.open("rb") as handle:
        os.fsync(handle.fileno())
