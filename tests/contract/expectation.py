"""Which steps the table means, and whether a dry run is just those and what follows from them."""

import re
from collections.abc import Iterable
from functools import reduce
from typing import Any

from contract.experiments import Document
from contract.table import Rules
from contract.workspace import Experiment
from selfsame.dryrun import Job

Jobs = dict[str, Job]

# What the tests' experiments call their stage or probe of a kind.
CALLED = {"induction": "em", "choice": "facts", "open_question": "knowledge"}


def place(pattern: str, at: str) -> list[str]:
    """The path of keys that a pattern stands for in the tests' experiments."""
    path = re.sub(r"\*\[(\w+)\]", lambda found: CALLED.get(found[1], found[1]), pattern)
    return re.sub(r"\[\w+\]", "", path).replace("*", at).split(".")


def nested(path: list[str], value: Any) -> Document:
    """`{"a": {"b": value}}` of the path a, b."""
    return reduce(lambda inner, key: {key: inner}, reversed(path), value)


def meant(experiment: Experiment, rules: Iterable[str], name: str = "") -> set[str]:
    """The steps of these rules; of `rule:stage` and the like, those of the stage called `name`."""
    scopes = [rule.partition(":") for rule in rules]
    return {
        job.manifest
        for job in experiment.ran.values()
        for rule, _, scope in scopes
        if rule == job.rule and (not scope or _concerns(experiment.document, job, scope, name))
    }


def _concerns(document: Document, job: Job, scope: str, name: str) -> bool:
    chain = job.wildcards.get("chain") or job.wildcards.get("dataset", "")
    given = {stage: keys for stage, keys in document["stages"].items() if keys is not None}
    return {
        "stage": chain.rpartition("+")[2]
        in {name, *(stage for stage, keys in given.items() if keys["matches"] == name)},
        "kind": job.spec.get("kind") == name,
        "probe": job.wildcards.get("probe") == name,
        "trait": job.wildcards.get("trait") == name,
        "judge": job.wildcards.get("judge") == name,
        "steered": "+steer:" in chain,
    }[scope]


def check(experiment: Experiment, jobs: list[Job], expected: set[str], new: Rules = ()) -> None:
    """Just the expected steps differ, those of `new` rules are new, and what follows runs too."""
    steps = wanted(experiment, jobs)
    titles = {name: job.title for name, job in steps.items()}
    differ, fresh = differing(experiment, jobs), names(jobs) - set(experiment.ran)
    assert {titles[name] for name in differ} == {titles[name] for name in expected & set(steps)}
    assert {steps[name].rule for name in fresh} == set(new)
    assert {job.title for job in jobs} == {titles[n] for n in depending(steps, differ | fresh)}


def names(jobs: Iterable[Job]) -> set[str]:
    """Their manifests, by which steps are known."""
    return {job.manifest for job in jobs}


def differing(experiment: Experiment, jobs: Iterable[Job]) -> set[str]:
    """Steps that were run before, with another spec or from other files."""
    again = {job.manifest: job for job in jobs if job.manifest in experiment.ran}
    return {name for name, job in again.items() if _essence(job) != _essence(experiment.ran[name])}


def _essence(job: Job) -> tuple[Document, frozenset[str]]:
    return job.spec, frozenset(job.inputs)


def depending(steps: Jobs, roots: set[str]) -> set[str]:
    """The roots, and every step that is made from them, directly or not."""
    found = set(roots)
    while new := {name for name, job in steps.items() if found & {*job.inputs}} - found:
        found |= new
    return found


def wanted(experiment: Experiment, jobs: Iterable[Job]) -> Jobs:
    """Every step of the changed experiment: those that run, and the others as they were run."""
    known = {**experiment.ran, **{job.manifest: job for job in jobs}}
    found = {name for name, job in known.items() if job.rule == "report"}
    todo = list(found)
    while todo:
        new = {name for name in known[todo.pop()].inputs if name in known} - found
        found |= new
        todo += new
    return {name: known[name] for name in found}
