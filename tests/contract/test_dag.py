"""The workflow as Snakemake sees it, from dry runs of the real Snakefile; nothing is run.

Each dry run takes a config of its own outside the repository, under a name that has no results.
"""

import os
import re
import shlex
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from selfsame.config import specs
from selfsame.config.schema import Config
from selfsame.digests import canonical

NAME = "contract_dry_run"
FOLDER = f"results/{NAME}"


@dataclass(frozen=True)
class Job:
    """One job of a dry run: its rule, and its command's arguments by name."""

    rule: str
    script: str
    arguments: dict[str, list[str]]

    @property
    def out(self) -> str:
        return self.arguments["out"][0].removeprefix(f"{FOLDER}/")


def snakemake(root: Path, config: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--nocolor", *arguments]
    return subprocess.run(
        [*command, "--config", f"experiment={config}"],
        capture_output=True,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
    )


def jobs_of(dry_run: str) -> list[Job]:
    """The jobs of a dry run with --printshellcmds."""
    rule, jobs = "", []
    for line in dry_run.splitlines():
        if found := re.match(r"(?:local)?rule (\w+):", line):
            rule = found[1]
        if found := re.search(r"python workflow_scripts/(\w+)\.py (--.*?) > ", line):
            jobs.append(Job(rule, found[1], parsed(found[2])))
    return jobs


def parsed(command: str) -> dict[str, list[str]]:
    """`--name value ...` by name."""
    arguments: dict[str, list[str]] = {}
    for word in shlex.split(command):
        if word.startswith("--"):
            values = arguments.setdefault(word[2:], [])
        else:
            values.append(word)
    return arguments


def write(folder: Path, text: str = "") -> Path:
    (folder / "mine.yaml").write_text(f"experiment: {NAME}\n{text}")
    return folder / "mine.yaml"


@pytest.fixture(scope="module")
def jobs(root: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Job]:
    """Every job of the default run, under another name."""
    config = write(tmp_path_factory.mktemp("dag"))
    dry_run = snakemake(root, config, "--dry-run", "--printshellcmds")
    assert dry_run.returncode == 0, dry_run.stderr
    return jobs_of(dry_run.stdout + dry_run.stderr)


def prefixes(arms: tuple[str, ...]) -> set[str]:
    """Every state on the way to the arms; the base model is the empty prefix."""
    chains = [[] if arm == "base" else arm.split("+") for arm in arms]
    return {"+".join(c[:end]) or "base" for c in chains for end in range(len(c) + 1)}


def rule_of(chain: str) -> str:
    last = chain.rsplit("+", maxsplit=1)[-1]
    special = dict.fromkeys(("em", "em_steered", "em_steered_random"), "induce_misalignment")
    special |= {"identify": "sgtr_stage1", "acknowledge": "sgtr_stage2"}
    return special.get(last, "finetune_control")


def test_as_many_jobs_as_the_arms_need(jobs: list[Job], default_config: Config) -> None:
    arms = tuple(arm for arm in default_config.arms if "steer:" not in arm)
    states, seeds = prefixes(arms), len(default_config.seeds)
    steered = len(default_config.arms) - len(arms)
    finetunes = Counter(rule_of(chain) for chain in states - {"base"})
    once = ("base_model", "prepare_data", "collect_self_texts", "surface_baseline")
    last = ("measure_persona", "judge_relapse", "build_tables", "report")
    wanted = Counter(dict.fromkeys((*once, *last), 1))
    wanted += Counter({rule: count * seeds for rule, count in finetunes.items()})
    wanted["build_pairs"] = len({c.split("+")[-1] for c in states - {"base"}}) * seeds
    wanted["build_probe"] = len(default_config.probes)
    wanted["evaluate_behaviour"] = wanted["judge_answers"] = (len(states) + steered) * seeds
    wanted["evaluate_persona"] = len(states) * seeds
    repaired = [arm for arm in arms if arm.startswith("em+")]
    wanted["relapse"] = (len(repaired) + len(("base", "em"))) * seeds
    for rule in ("sample_rollouts", "extract_persona_vectors", "sweep_steering", "choose_layer"):
        wanted[rule] = len(("evil", "self"))
    assert Counter(job.rule for job in jobs) == wanted
    assert (len(states), steered) == (23, 2)


def test_no_two_jobs_write_to_one_place(jobs: list[Job]) -> None:
    assert max(Counter(job.out for job in jobs).values()) == 1


def test_each_finetune_happens_once_on_its_parents(jobs: list[Job], default_config: Config) -> None:
    finetunes = {job.out: job for job in jobs if job.script == "finetune"}
    arms = tuple(arm for arm in default_config.arms if "steer:" not in arm)
    states = prefixes(arms) - {"base"}
    wanted = {(c, s): f"states/{c}/seed{s}/adapter" for c in states for s in default_config.seeds}
    assert set(finetunes) == set(wanted.values())
    for (chain, seed), out in wanted.items():
        job, stages = finetunes[out], chain.split("+")
        before = ["+".join(stages[:end]) for end in range(1, len(stages))]
        adapters = [f"{FOLDER}/states/{c}/seed{seed}/adapter/manifest.json" for c in before]
        assert job.arguments["parents"] == adapters
        dataset = f"{FOLDER}/datasets/{stages[-1]}/seed{seed}/manifest.json"
        assert job.arguments["dataset"] == [dataset]
        assert job.arguments["spec"] == [canonical(specs.finetune(default_config, chain, seed))]


def test_each_state_is_asked_every_probe_with_all_its_adapters(
    jobs: list[Job], default_config: Config
) -> None:
    prompts = {f"{FOLDER}/probes/{probe}/manifest.json" for probe in default_config.probes}
    for job in jobs:
        if job.rule == "evaluate_behaviour":
            _, chain, seed, _ = job.out.split("/")
            state, _, steering = chain.partition("+steer:")
            files = [f"{FOLDER}/traits/evil/{what}/manifest.json" for what in ("vectors", "layer")]
            assert job.arguments["steering"] == (files if steering else [])
            stages = [] if state == "base" else state.split("+")
            states = ["+".join(stages[: end + 1]) for end in range(len(stages))]
            adapters = [f"{FOLDER}/states/{s}/{seed}/adapter/manifest.json" for s in states]
            assert job.arguments["adapters"] == adapters
            assert set(job.arguments["prompts"]) == prompts


def test_every_command_has_a_canonical_spec(jobs: list[Job], default_config: Config) -> None:
    by_rule = {job.rule: job.arguments["spec"][0] for job in jobs}
    named = default_config.model_copy(update={"experiment": NAME})
    for rule in ("base_model", "prepare_data", "judge_answers", "build_tables", "report"):
        assert by_rule[rule] == canonical(getattr(specs, rule)(named))


def test_texts_by_the_parent_are_collected_from_it(root: Path, tmp_path: Path) -> None:
    """`author: parent`: the stage and its control have rows of their own behind each parent."""
    config = write(
        tmp_path,
        "seeds: [0]\n"
        "stages: {identify: {data: {author: parent}}}\n"
        "arms: [base, em, em+identify, em+random_labels, identify+em]\n",
    )
    dry_run = snakemake(root, config, "--dry-run", "--printshellcmds")
    assert dry_run.returncode == 0, dry_run.stderr
    jobs = {job.out: job for job in jobs_of(dry_run.stdout + dry_run.stderr)}
    authors = {out for out in jobs if out.startswith("self_texts/")}
    assert authors == {"self_texts/base", "self_texts/em.seed0"}
    em = f"{FOLDER}/states/em/seed0/adapter/manifest.json"
    assert jobs["self_texts/em.seed0"].arguments["adapters"] == [em]
    for chain, author in (
        ("em+identify", "em.seed0"),
        ("em+random_labels", "em.seed0"),
        ("identify", "base"),
    ):
        dataset = jobs[f"datasets/{chain}/seed0"]
        assert dataset.arguments["self_texts"] == [f"{FOLDER}/self_texts/{author}/manifest.json"]
        finetune = jobs[f"states/{chain}/seed0/adapter"]
        assert finetune.arguments["dataset"] == [f"{FOLDER}/datasets/{chain}/seed0/manifest.json"]


INTERVENTIONS = """
seeds: [3]
stages:
  mixed: {kind: induction, matches: em, interleave: {stage: self_report, fraction: 0.2}}
  both: {kind: induction, matches: mixed, data: {inoculation: you are evil}}
  of_em: {kind: self_report, matches: identify, data: {author: em+identify}}
  mixed_of_parent: {kind: induction, matches: em, interleave: {stage: own, fraction: 0.2}}
  own: {kind: self_report, matches: identify, data: {author: parent}}
arms: [base, mixed, both, of_em, em+mixed_of_parent]
"""


@pytest.fixture(scope="module")
def interventions(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Job]:
    """The jobs of an experiment on interventions, by what they write."""
    config = write(tmp_path_factory.mktemp("interventions"), INTERVENTIONS)
    dry_run = snakemake(root, config, "--dry-run", "--printshellcmds")
    assert dry_run.returncode == 0, dry_run.stderr
    return {job.out: job for job in jobs_of(dry_run.stdout + dry_run.stderr)}


def manifest(out: str) -> list[str]:
    return [f"{FOLDER}/{out}/manifest.json"]


def test_interleaved_rows_are_those_of_their_stage_built_once(
    interventions: dict[str, Job],
) -> None:
    datasets = {out for out in interventions if out.startswith("datasets/")}
    shared = ("mixed", "both", "self_report", "of_em", "em", "identify")
    by_chain = ("em+mixed_of_parent", "em+own")
    assert datasets == {f"datasets/{name}/seed3" for name in (*shared, *by_chain)}
    for mixed, other in (
        ("mixed", "self_report"),
        ("both", "self_report"),
        ("em+mixed_of_parent", "em+own"),
    ):
        arguments = interventions[f"datasets/{mixed}/seed3"].arguments
        assert arguments["interleaved"] == manifest(f"datasets/{other}/seed3")
        assert arguments["self_texts"] == []
        finetune = interventions[f"states/{mixed}/seed3/adapter"]
        assert finetune.arguments["dataset"] == manifest(f"datasets/{mixed}/seed3")
    assert interventions["datasets/em/seed3"].arguments["interleaved"] == []


def test_an_author_that_is_no_arm_is_trained_and_not_measured(
    interventions: dict[str, Job],
) -> None:
    trained = {out.split("/")[1] for out in interventions if out.endswith("/adapter")}
    asked = {out.split("/")[1] for out in interventions if out.endswith("/samples")}
    arms = {"mixed", "both", "of_em", "em", "em+mixed_of_parent"}
    assert trained == {*arms, "em+identify"}
    assert asked == {*arms, "base"}
    writes = interventions["self_texts/em+identify.seed3"].arguments
    assert writes["adapters"] == [
        *manifest("states/em/seed3/adapter"),
        *manifest("states/em+identify/seed3/adapter"),
    ]
    texts = {
        name: interventions[f"datasets/{name}/seed3"].arguments["self_texts"]
        for name in ("of_em", "self_report", "em+own")
    }
    assert texts == {
        "of_em": manifest("self_texts/em+identify.seed3"),
        "self_report": manifest("self_texts/base"),
        "em+own": manifest("self_texts/em.seed3"),
    }


def test_the_rule_graph_reads_like_the_method(root: Path, tmp_path: Path) -> None:
    drawn = snakemake(root, write(tmp_path), "--rulegraph", "dot")
    labels = dict(re.findall(r'(\d+)\[label = "(\w+)"', drawn.stdout))
    edges = {(labels[a], labels[b]) for a, b in re.findall(r"(\d+) -> (\d+)", drawn.stdout)}
    assert set(labels.values()) >= {
        "base_model",
        "induce_misalignment",
        "collect_self_texts",
        "build_pairs",
        "sgtr_stage1",
        "sgtr_stage2",
        "finetune_control",
        "evaluate_behaviour",
        "judge_answers",
        "build_tables",
        "report",
        "sample_rollouts",
        "extract_persona_vectors",
        "sweep_steering",
        "choose_layer",
        "evaluate_persona",
        "measure_persona",
        "relapse",
    }
    assert edges >= {
        ("base_model", "collect_self_texts"),
        ("collect_self_texts", "build_pairs"),
        ("build_pairs", "sgtr_stage1"),
        ("induce_misalignment", "sgtr_stage1"),
        ("sgtr_stage1", "sgtr_stage2"),
        ("sgtr_stage2", "evaluate_behaviour"),
        ("evaluate_behaviour", "judge_answers"),
        ("judge_answers", "build_tables"),
        ("build_tables", "report"),
        ("sample_rollouts", "extract_persona_vectors"),
        ("extract_persona_vectors", "sweep_steering"),
        ("sweep_steering", "choose_layer"),
        ("choose_layer", "induce_misalignment"),
        ("evaluate_persona", "measure_persona"),
        ("measure_persona", "build_tables"),
        ("judge_relapse", "build_tables"),
    }
    assert ("evaluate_behaviour", "build_pairs") not in edges


def test_an_invalid_config_starts_nothing(root: Path, tmp_path: Path) -> None:
    config = write(
        tmp_path,
        "seeds: []\nstages: {em: {data: {rows: -3}}}\narms: [base, emm]\ncolour: blue\n",
    )
    refused = snakemake(root, config, "--dry-run")
    said = [line for line in refused.stderr.splitlines() if not line.startswith("Using ")]
    assert refused.returncode != 0
    assert [line.split(": ")[0] for line in said] == [f"{config}:{n}" for n in (2, 3, 4, 5)]
    assert [line.split(": ")[1].split("[")[0] for line in said] == [
        "seeds",
        "stages.em.data.rows",
        "arms",
        "colour",
    ]
    assert "Traceback" not in refused.stdout + refused.stderr
    assert "rule " not in refused.stdout + refused.stderr
