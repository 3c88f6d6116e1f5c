# The config, the paths, and the shape that every rule's command has.
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir) / "workflow_scripts"))

from selfsame import warm
from selfsame.codegraph import modules_of
from selfsame.config import chains, specs
from selfsame.config.filecheck import check_files
from selfsame.config.load import load_config
from selfsame.errors import UserError
from selfsame.step import canonical

try:
    settings = load_config(config.get("experiment"))
    check_files(settings)
except UserError as error:
    sys.exit(f"{error}")

RESULTS = f"results/{settings.experiment}"
DATA = f"{RESULTS}/data/manifest.json"
BASE_MODEL = f"{RESULTS}/base_model/manifest.json"
STATES = chains.states(settings)
STATE = f"{RESULTS}/states/{{chain}}/seed{{seed}}"


wildcard_constraints:
    chain="[a-z0-9_+]+",
    seed=r"\d+",


# On the organism the imports cost more than the work: jobs of this process share them.
if settings.model.kind == "organism" and workflow.is_main_process:
    warm.offer()


# Snakemake 9.27 re-arms one timer more for every finished job to keep its rate limit (100 jobs a
# second): after a hundred jobs it wakes a hundred times a second and burns a core. No limit, no timers.
workflow.scheduling_settings.max_jobs_per_timespan = None


def resource(rule, name, default):
    """A resource of a rule from the config; resources never invalidate anything."""
    chosen = settings.resources.get(rule)
    value = getattr(chosen, name, None)
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
        values = [getattr(wildcards, name) for name in names]
        return canonical(
            make(settings, *[int(v) if n == "seed" else v for n, v in zip(names, values)])
        )

    return spec


def adapter(chain, seed):
    """The manifest of the adapter of a chain's last stage."""
    return f"{RESULTS}/states/{chain}/seed{seed}/adapter/manifest.json"


def adapters(chain, seed):
    """Manifests of all adapters of a chain, in the order they are merged."""
    names = chains.stages_of(chain)
    return [adapter("+".join(names[: n + 1]), seed) for n in range(len(names))]


def any_of(names):
    """A wildcard constraint that matches just these names, or nothing where there are none."""
    return "|".join(re.escape(name) for name in names) or "(?!)"


def model_files():
    """Files of a local Hugging Face model: a changed model is another base model."""
    path = getattr(settings.model, "path", None)
    patterns = ("*.json", "*.jinja", "*.safetensors")
    return sorted(str(file) for p in patterns for file in path.glob(p)) if path else []
