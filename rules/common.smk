# The config, the paths, and the shape that every rule's command has.
import json
import os
import re
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(workflow.basedir) / "workflow_scripts"))

from selfsame import attempts, devices, warm
from selfsame.braces import in_braces
from selfsame.codegraph import modules_of
from selfsame.config import chains, judge_specs, probe_specs, specs
from selfsame.config.extras import check_extras
from selfsame.config.filecheck import check_files
from selfsame.config.judging import servers
from selfsame.config.load import load_config
from selfsame.config.paths import Paths
from selfsame.config.priorities import JUDGING, LAST, VECTORS, Priorities
from selfsame.config.resources import (
    assumption,
    needs,
    needs_to_ask,
    needs_to_find,
)
from selfsame.digests import canonical, file_digests, sha256_text
from selfsame.errors import UserError
from selfsame.judging import manner
from selfsame.locks import claim_run

try:
    settings = load_config(config.get("experiment"))
    check_files(settings)
    gpus = devices.places() if workflow.nodes is None else 0
except UserError as error:
    sys.exit(str(error))

paths, priorities = Paths(settings), Priorities(settings)
LOGS = f"{paths.results}/logs"
STATE_LOG = "{chain}.seed{seed}.log"


wildcard_constraints:
    chain="[a-z0-9_+:-]+",
    dataset="[a-z0-9_+]+",
    trait="[a-z][a-z0-9_]*",
    author=r"base|[a-z0-9_+]+\.seed\d+",
    name=r"[a-z][a-z0-9_]*",
    seed=r"\d+",
    judge="[a-z][a-z0-9_]*",


# Where finished steps are kept; a value that the user has set wins. Never changes a result.
os.environ.setdefault("SELFSAME_CACHE", settings.cache.model_dump_json())

# How judges are asked, and where their replies are kept; the same holds for these.
os.environ[manner.JUDGES] = json.dumps(judge_specs.manners(settings))
os.environ.setdefault(manner.REPLIES, settings.cache.replies)

# Waiting OpenMP threads sleep instead of spinning: on a busy machine two spinning threads can be
# many times slower than one. Read when torch is loaded, so it has to be set this early.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# On the organism the imports cost more than the work: jobs of this process share them. A job of a
# cluster imports for itself: a server of another job would do its work outside of its limits.
if workflow.remote_exec:
    os.environ.pop(warm.VARIABLE, None)
elif settings.model.kind == "organism" and workflow.is_main_process:
    warm.offer()

if workflow.is_main_process:
    attempts.begin_call()
    if (assumed := assumption(settings)) is not None:
        print(assumed, file=sys.stderr)

# Here no more GPU jobs start than there are GPUs for them; on a cluster the scheduler counts.
if gpus and "gpu" not in workflow.global_resources:
    workflow.register_resource("gpu", gpus)

# A server gets as many requests at once as its judge's `concurrency` says: from one job at a time.
for judge in servers(settings):
    workflow.register_resource(f"asks_{judge}", 1)

# To keep its rate limit (100 jobs a second), Snakemake 9.27 arms one more ever-renewed timer for
# every finished job: after a hundred jobs it wakes a hundred times a second. No limit, no timers.
if workflow.scheduling_settings:
    workflow.scheduling_settings.max_jobs_per_timespan = None


class Reserved(NamedTuple):
    """What a rule's jobs are given; none of it invalidates anything."""

    threads: int
    resources: dict


def reserve(work):
    """Threads and resources of a kind of work; every further attempt gets more memory and time."""
    first = needs(settings, work)
    return Reserved(
        first.threads,
        {
            "mem_mb": lambda wildcards, attempt: first.mem_mb * attempt,
            "runtime": lambda wildcards, attempt: first.runtime * attempt,
            "gpu": first.gpu,
            "attempt": lambda wildcards, attempt: attempt,
        },
    )


def reserve_by_judge(needs_of):
    """The same of jobs that each belong to one judge; of a server one job asks at a time."""

    def first(wildcards):
        return needs_of(settings, wildcards.judge)

    def asks(judge):
        return lambda wildcards: int(wildcards.judge == judge)

    return Reserved(
        lambda wildcards: first(wildcards).threads,
        {
            "mem_mb": lambda wildcards, attempt: first(wildcards).mem_mb * attempt,
            "runtime": lambda wildcards, attempt: first(wildcards).runtime * attempt,
            "gpu": lambda wildcards: first(wildcards).gpu,
            "attempt": lambda wildcards, attempt: attempt,
            **{f"asks_{judge}": asks(judge) for judge in servers(settings)},
        },
    )


def step(script, *roles, over_all_states=()):
    """The command of a step: spec, inputs by role, code, output folder, what it was given.

    Inputs over all states are too many to be written out: params of the same name have them short.
    """
    named = [f"--{role} {{input.{role}:q}}" for role in roles]
    braced = [f"--{role} {{params.{role}}}" for role in over_all_states]
    given = " ".join([*named, *braced])
    return (
        f"python workflow_scripts/{script}.py --spec {{params.spec:q}} {given} "
        "--code {input.code:q} "
        "--out {params.out:q} --threads {threads} --gpu {resources.gpu} "
        "--attempt {resources.attempt} > {log:q} 2>&1"
    )


def folder(wildcards, output):
    """The folder that a step writes: where its manifest lies."""
    return str(Path(output.manifest).parent)


def short(role):
    """A role's inputs as one short word; made from the inputs, it is no trigger of its own."""
    return lambda wildcards, input: in_braces(getattr(input, role))


def spec_of(make, *names):
    """The rule's spec as canonical JSON, from the wildcards it depends on."""

    def spec(wildcards):
        values = {name: getattr(wildcards, name) for name in names}
        numbers = {"seed": int(values["seed"])} if "seed" in values else {}
        return canonical(make(settings, *{**values, **numbers}.values()))

    return spec


def digest_of(code):
    """A rule's code as one word, which changes with the bytes whatever the files' times.

    Of an input file Snakemake 9.27 reads the bytes only where it is newer than the outputs.
    """
    if callable(code):
        return lambda wildcards: digest_of(code(wildcards))
    return digest_of_files(code)


@cache
def digest_of_files(files):
    """As the files are when this run first asks for them."""
    return sha256_text(canonical(file_digests(files)))


def kind_module(script, package, kinds):
    """Code of a script that loads the module of a stage's or probe's kind by name."""
    return modules_of(script, *sorted({f"selfsame.{package}.{kind}" for kind in kinds}))


def build_pairs_code(wildcards):
    kind = settings.stages[chains.stages_of(wildcards.dataset)[-1]].kind
    return kind_module("build_pairs", "stages", [kind])


def build_probe_code(wildcards):
    kind = settings.probes[wildcards.probe].kind
    return kind_module("build_probe", "probes", [kind])


def ask_judges_code(wildcards):
    kind = settings.judges[wildcards.judge].kind
    return kind_module("ask_judges", "judges", [kind])


def judge_answers_code():
    kinds = [probe.kind for probe in settings.probes.values()]
    return kind_module("judge_answers", "probes", kinds)


def cluster_identities_code():
    kinds = [how.kind for how in probe_specs.clustered(settings).values()]
    return kind_module("cluster_identities", "embedding", kinds)


def judge_relapse_code():
    kind = settings.probes[specs.primary_probe(settings)].kind
    return kind_module("judge_relapse", "probes", [kind])


def report_code():
    """Its templates are code, too."""
    templates = Path("workflow_scripts/selfsame/reporting/templates").glob("*.j2")
    return (*modules_of("report"), *sorted(map(str, templates)))


def ending_in(*kinds):
    """A constraint on `chain`: its last stage is of one of these kinds (or it matches nothing)."""
    return (
        "|".join(re.escape(name) for name in paths.chains_ending_in(set(kinds)))
        or "(?!)"
    )


CONTROLS = {s.kind for s in settings.stages.values()} - {
    "induction",
    "identify",
    "acknowledge",
}
