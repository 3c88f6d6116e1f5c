# The config, the paths, and the shape that every rule's command has.
import os
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir) / "workflow_scripts"))

from selfsame import warm
from selfsame.codegraph import modules_of
from selfsame.config import chains, specs
from selfsame.config.filecheck import check_files
from selfsame.config.load import load_config
from selfsame.config.paths import Paths
from selfsame.errors import UserError
from selfsame.step import canonical

try:
    settings = load_config(config.get("experiment"))
    check_files(settings)
except UserError as error:
    sys.exit(str(error))

paths = Paths(settings)
LOGS = f"{paths.results}/logs"
STATE_LOG = "{chain}.seed{seed}.log"


wildcard_constraints:
    chain="[a-z0-9_+:-]+",
    dataset="[a-z0-9_+]+",
    trait="[a-z][a-z0-9_]*",
    author=r"base|[a-z0-9_+]+\.seed\d+",
    seed=r"\d+",


# Waiting OpenMP threads sleep instead of spinning: on a busy machine two spinning threads can be
# many times slower than one. Read when torch is loaded, so it has to be set this early.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# On the organism the imports cost more than the work: jobs of this process share them.
if settings.model.kind == "organism" and workflow.is_main_process:
    warm.offer()

# To keep its rate limit (100 jobs a second), Snakemake 9.27 arms one more ever-renewed timer for
# every finished job: after a hundred jobs it wakes a hundred times a second. No limit, no timers.
if workflow.scheduling_settings:
    workflow.scheduling_settings.max_jobs_per_timespan = None


def resource(rule, name, default):
    """A resource of a rule from the config; resources never invalidate anything."""
    value = getattr(settings.resources.get(rule), name, None)
    return default if value is None else value


def step(script, *roles):
    """The command of a step: spec, inputs by role, output folder, threads."""
    given = " ".join(f"--{role} {{input.{role}:q}}" for role in roles)
    return (
        f"python workflow_scripts/{script}.py --spec {{params.spec:q}} {given} "
        "--out {params.out:q} --threads {threads} > {log:q} 2>&1"
    )


def folder(wildcards, output):
    """The folder that a step writes: where its manifest lies."""
    return str(Path(output.manifest).parent)


def spec_of(make, *names):
    """The rule's spec as canonical JSON, from the wildcards it depends on."""

    def spec(wildcards):
        values = {name: getattr(wildcards, name) for name in names}
        numbers = {"seed": int(values["seed"])} if "seed" in values else {}
        return canonical(make(settings, *{**values, **numbers}.values()))

    return spec


def kind_module(script, package, kinds):
    """Code of a script that loads the module of a stage's or probe's kind by name."""
    return modules_of(script, *sorted({f"selfsame.{package}.{kind}" for kind in kinds}))


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
