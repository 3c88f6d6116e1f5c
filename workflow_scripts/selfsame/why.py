"""Say in plain words why the next run would run what it would. Nothing is started.

Run: make why [STATE=em+identify] [SEED=0] [EXPERIMENT=name]
     python -m selfsame.why [--state STATE] [--seed N] [--experiment NAME | CONFIG.yaml]

What would run is Snakemake's own answer, from a dry run. What changed is read off the manifests:
each holds the spec, the inputs and the modules of the run that wrote it.
"""

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from selfsame.attempts import MARK
from selfsame.config.messages import nearest
from selfsame.digests import read_manifest, sha256_file
from selfsame.dryrun import Job, dry_run
from selfsame.errors import UserError
from selfsame.publish import RECORD
from selfsame.step import PARTIAL

ABSENT = "absent"
CUT_OFF = "its last run was cut off"
# Snakemake's reason where of a rule's params only the digest of its code is another, or is new.
OTHER_CODE = re.compile(r"before: (<nothing exclusive>|'[0-9a-f]{64}') now: '[0-9a-f]{64}'")
OTHER_CODE_IN_WORDS = (
    "Snakemake noted other code than it ran with (edited during that run), or none"
)
LONGEST_VALUE = 40
LARGE = 1_000_000  # bytes; from here on Snakemake goes by a file's time alone
MOST_CAUSES = 3
MOST_TITLES = 3
RETELLING = "report"  # its spec is the whole config, and tells each change once more
NO_INPUTS = frozenset({"spec", "out", "code", "threads", "gpu", "attempt"})


def main() -> None:
    """Print the answer."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--experiment", default="", help="name or YAML file; the default run")
    parser.add_argument("--state", default="", help="a chain, trait, probe or rule; all of them")
    parser.add_argument("--seed", default="", help="one seed; all of them")
    given = parser.parse_args()
    try:
        print("\n".join(explain(given.experiment or None, given.state, given.seed)))
    except UserError as error:
        sys.exit(f"error: {error}")


def explain(
    experiment: str | None, state: str = "", seed: str = "", *, folder: Path = Path()
) -> Iterator[str]:
    """One line for each cause, how many steps follow, and what goes unnoticed."""
    steps = dry_run(experiment, folder, everything=True)
    _refuse_unknown(state, {name for job in steps for name in _names(job)})
    _refuse_unknown(seed, {job.wildcards["seed"] for job in steps if "seed" in job.wildcards})
    asked = {job.manifest for job in steps if _is_asked(job, state, seed)}
    due = {job.manifest: job for job in dry_run(experiment, folder)}
    concerned = _made_from(asked, due)
    yield from _said([job for name, job in due.items() if name in concerned], set(due), folder)
    idle = [job for job in steps if job.manifest in asked - set(due)]
    idle = [job for job in idle if (folder / job.manifest).is_file()]
    yield from _unnoticed(idle, folder)


def _names(job: Job) -> set[str]:
    """What a step may be asked for by, beside its seed."""
    return {job.rule, *(value for name, value in job.wildcards.items() if name != "seed")}


def _refuse_unknown(name: str, known: set[str]) -> None:
    if name and name not in known:
        raise UserError(f"no step has the name or seed {name!r}{nearest(name, known)}")


def _is_asked(job: Job, state: str, seed: str) -> bool:
    named = not state or state in _names(job)
    return named and (not seed or job.wildcards.get("seed", seed) == seed)


def _made_from(asked: set[str], due: Mapping[str, Job]) -> set[str]:
    """The steps asked about, and those due before them."""
    found, todo = set(asked), list(asked)
    while todo:
        job = due.get(todo.pop())
        new = {path for path in (job.inputs if job else ()) if path in due} - found
        found |= new
        todo += new
    return found


def _said(jobs: Sequence[Job], due: set[str], folder: Path) -> Iterator[str]:
    causes = [tuple(_causes(job, due, folder)) for job in jobs]
    yield from _grouped(jobs, causes)
    follow = Counter(job.rule for job, why in zip(jobs, causes, strict=True) if not why)
    if follow:
        counted = ", ".join(f"{count} {rule}" for rule, count in follow.items())
        yield f"{_steps(follow.total())} would follow: {counted}"
    yield f"{_steps(len(jobs))} would run" if jobs else "nothing would run"


def _grouped(jobs: Sequence[Job], causes: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Lines for the steps that have causes, those of one rule with the same ones together."""
    groups: dict[tuple[str, tuple[str, ...]], list[Job]] = {}
    for job, why in zip(jobs, causes, strict=True):
        groups.setdefault((job.rule, why), []).append(job)
    for (_, why), alike in groups.items():
        if why:
            yield from _lines(alike, why)


def _lines(alike: Sequence[Job], causes: Sequence[str]) -> Iterator[str]:
    """A line for each step, or one for all where many steps of a rule have the same causes."""
    more = len(causes) - MOST_CAUSES
    why = "; ".join([*causes[:MOST_CAUSES], *([f"{more} more changes"] if more > 0 else [])])
    if len(alike) <= MOST_TITLES:
        yield from (f"{job.title}: {why}" for job in alike)
    else:
        yield f"{alike[0].rule}, {_steps(len(alike))}: {why}"


def _steps(count: int) -> str:
    return f"{count} step{'' if count == 1 else 's'}"


def _unnoticed(jobs: Sequence[Job], folder: Path) -> Iterator[str]:
    """What differs from the manifests of steps that would not run."""
    causes = [
        tuple(_changes(job, read_manifest(folder / job.manifest), set(), folder)) for job in jobs
    ]
    if any(causes):
        yield (
            "Snakemake takes no notice of the following (docs/invalidation.md, Limits);"
            " `snakemake --forcerun RULE` does:"
        )
    yield from (f"  {line}" for line in _grouped(jobs, causes))


def _causes(job: Job, due: set[str], folder: Path) -> Iterator[str]:
    """Why a step would run by itself; nothing where it only follows from others."""
    manifest = folder / job.manifest
    if not manifest.is_file():
        yield _without_results(manifest.parent)
        return
    follows = bool(due & set(job.inputs))
    found = list(_changes(job, read_manifest(manifest), due, folder))
    if not (follows and job.rule == RETELLING):
        yield from found
    if not found and not follows:
        yield _in_words(job.reason)


def _without_results(folder: Path) -> str:
    if any(folder.glob(f"{PARTIAL}*")):
        return CUT_OFF
    if (folder / MARK).is_file():
        return "its last run failed"
    return "its results are gone" if (folder / RECORD).is_file() else "never ran"


def _in_words(reason: str) -> str:
    """Snakemake's reason, where the manifest knows none."""
    known = {
        "Incomplete output files": CUT_OFF,
        "Code has changed": "the rule's command changed",
        "Set of input files has changed": "other input files",
        "Updated input files: ": reason.replace("Updated input files: ", "changed: "),
    }
    words = next((words for start, words in known.items() if start in reason), reason)
    return OTHER_CODE_IN_WORDS if OTHER_CODE.search(words) else words


def _changes(job: Job, manifest: Mapping[str, Any], due: set[str], folder: Path) -> Iterator[str]:
    """How a step differs from its last run, apart from inputs that are about to be made anew."""
    for key, (old, new) in differences(manifest["spec"], job.spec):
        yield f"{key} {_short(old)} -> {_short(new)}"
    code = job.arguments.get("code", [])
    yield from _changed_modules(manifest.get("code", {}), code, folder)
    read = {entry["path"]: entry["sha256"] for v in manifest["inputs"].values() for entry in v}
    yield from _changed_inputs(job, read, due, folder)


def differences(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Each key of two specs whose values differ, with both values."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys((*old, *new)):
            inner = f"{path}.{key}".removeprefix(".")
            yield from differences(old.get(key, ABSENT), new.get(key, ABSENT), inner)
    elif old != new:
        yield path, (old, new)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."


def _changed_modules(ran: Mapping[str, str], code: Sequence[str], folder: Path) -> Iterator[str]:
    """Modules by name; nothing where the manifest is older than their record in it."""
    for path in code if ran else ():
        if path not in ran:
            yield f"module {_module(path)} is new to it"
        elif _digest(folder / path) != ran[path]:
            yield f"module {_module(path)} changed"
    for path in sorted({*ran} - {*code}):
        yield f"module {_module(path)} is no longer imported"


def _module(path: str) -> str:
    return path.removeprefix("workflow_scripts/").removeprefix("selfsame/")


def _changed_inputs(
    job: Job, read: Mapping[str, str], due: set[str], folder: Path
) -> Iterator[str]:
    roles = {role: paths for role, paths in job.arguments.items() if role not in NO_INPUTS}
    given = [path for paths in roles.values() for path in paths]
    for path in given:
        if path not in read and path not in due:
            yield f"new input {_place(path)}"
        elif path in read and path not in due and _is_changed(folder / path, read[path]):
            yield f"input {_place(path)} {'was rebuilt' if _is_result(path) else 'changed'}"
    for path in sorted({*read} - {*given}):
        yield f"input {_place(path)} is no longer read"


def _is_changed(path: Path, digest: str) -> bool:
    """Whether a small file's bytes differ; of a large one only Snakemake's reason speaks."""
    return path.is_file() and path.stat().st_size < LARGE and _digest(path) != digest


def _digest(path: Path) -> str:
    return _digest_at(path, path.stat().st_mtime_ns)


@cache
def _digest_at(path: Path, _modified_ns: int) -> str:
    """One reading for all steps that have the file."""
    return sha256_file(path)


def _is_result(path: str) -> bool:
    return path.startswith("results/")


def _place(path: str) -> str:
    """An input as people call it: a result by its folder within the experiment."""
    return "/".join(Path(path).parts[2:-1]) if _is_result(path) else path


if __name__ == "__main__":
    main()
