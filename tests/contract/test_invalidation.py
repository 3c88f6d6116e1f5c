"""What runs again when a config key changes, against the table in table.py.

Dry runs of experiments whose results are complete (workspace.py). A step counts as changed when its
spec or its list of inputs is not that of the run; Snakemake must run those steps and what follows
from them, and nothing else.
"""

import json
import re
from typing import Any

import pytest

from contract import experiments as configs
from contract.expectation import check, differing, meant, names, nested, place, wanted
from contract.experiments import Document
from contract.table import KEYS, TRAIT_KEYS, Keys, Rules
from contract.workspace import Experiment, edited, laid_over, registry

CASES = [
    pytest.param(keys, pattern, value, id=f"{pattern}={value}")
    for keys in KEYS
    for pattern, value in keys.values.items()
    if value is not None
]
TRAIT_CASES = [
    pytest.param(keys.rules, key, value, id=key)
    for keys in TRAIT_KEYS
    for key, value in keys.values.items()
]


def test_a_complete_experiment_has_nothing_to_do(experiments: dict[str, Experiment]) -> None:
    for name, experiment in experiments.items():
        assert len(experiment.ran) > 40, name
        assert experiment.dry_run() == [], name


@pytest.mark.parametrize(("keys", "pattern", "value"), CASES)
def test_a_key_runs_just_these_rules_again(
    experiments: dict[str, Experiment], keys: Keys, pattern: str, value: Any
) -> None:
    experiment, path = experiments[keys.on], place(pattern, keys.at)
    jobs = experiment.dry_run(laid_over(keys.also or {}, nested(path, value)))
    rules = {*keys.rules, "report"} if keys.rules else set()
    check(experiment, jobs, meant(experiment, rules, path[1] if path[1:] else ""), keys.new)


@pytest.mark.parametrize(("rules", "key", "value"), TRAIT_CASES)
def test_a_key_of_a_trait_runs_just_these_rules_again(
    organism: Experiment, rules: Rules, key: str, value: Any
) -> None:
    with edited(organism.folder / "traits/evil.yaml", json.dumps(configs.TRAIT | {key: value})):
        check(organism, organism.dry_run(), meant(organism, rules, "evil"))


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"url": "https://example.org/v2.jsonl"}, ""),
        ({"sha256": "0" * 64}, ""),
        ({"columns": {"question": "other"}}, "probes.*[choice].file.columns"),
        ({"where": {"part": ["a", "b"]}}, "probes.*[choice].file.where"),
        ({"first": 7}, "probes.*[choice].file.first"),
    ],
)
def test_what_the_registry_says_of_a_dataset_counts(
    experiments: dict[str, Experiment], change: Document, key: str
) -> None:
    """Where the file is had from is fetching's; how it is read, as if it stood in the config."""
    experiment = experiments["chat_model"]
    entries = registry()
    entries["choices"] |= change
    with edited(experiment.folder / "data/registry.yaml", json.dumps(entries)):
        jobs = experiment.dry_run()
    rules = {*rules_of(key), "report"} if key else {"fetch_dataset"}
    check(experiment, jobs, meant(experiment, rules, "truthful"))


def test_another_experiment_runs_every_step(organism: Experiment) -> None:
    jobs = organism.dry_run({"experiment": "renamed"})
    before = sorted(job.title for job in organism.ran.values())
    assert sorted(job.title for job in jobs) == before


def test_another_kind_of_model_runs_every_step(organism: Experiment) -> None:
    document = configs.chat_model() | {"experiment": "organism"}
    jobs = Experiment(organism.folder, document, organism.ran).dry_run()
    assert names(jobs) == set(wanted(organism, jobs))


def test_another_kind_of_judge_is_asked_anew(experiments: dict[str, Experiment]) -> None:
    chat_model = experiments["chat_model"]
    document = dict(chat_model.document)
    document["judges"] = {**document["judges"], "local": {"kind": "openai", "model": "other"}}
    jobs = Experiment(chat_model.folder, document, chat_model.ran).dry_run()
    check(chat_model, jobs, meant(chat_model, ("ask_judges:judge", "report"), "local"))


def rules_of(key: str) -> Rules:
    (rules,) = {keys.rules for keys in KEYS if key in keys.values}
    return rules


def test_a_further_seed_adds_its_own_steps(organism: Experiment) -> None:
    jobs = organism.dry_run({"seeds": [0, 1]})
    seeded = {job.rule for job in organism.ran.values() if "seed" in job.wildcards}
    rules = {*rules_of("seeds"), "report"} - {"surface_baseline"}
    check(organism, jobs, meant(organism, rules), (*seeded, "collect_self_texts"))
    fresh = names(jobs) - set(organism.ran)
    assert {re.findall(r"seed(\d+)", name)[0] for name in fresh} == {"1"}


def test_another_first_seed_reaches_the_surface_baseline(organism: Experiment) -> None:
    jobs = organism.dry_run({"seeds": [1, 0]})
    differ = {organism.ran[name].rule for name in differing(organism, jobs)}
    assert differ == {*rules_of("seeds"), "report"}


def test_a_further_arm_adds_its_own_steps(organism: Experiment) -> None:
    arm = "em+identify+random_labels"
    jobs = organism.dry_run({"arms": [*organism.document["arms"], arm]})
    own = (
        *("finetune_control", "evaluate_behaviour", "judge_answers"),
        *("evaluate_benchmarks", "evaluate_persona", "relapse"),
    )
    check(organism, jobs, meant(organism, {*rules_of("arms"), "report"}), own)
    fresh = [job for job in jobs if job.manifest not in organism.ran]
    assert [job.wildcards["chain"] for job in fresh] == [arm] * len(own)


@pytest.mark.parametrize(
    ("section", "one", "two"),
    [
        ("stages.*.finetuning", "rank", "batch_size"),
        ("stages.*.finetuning", "alpha", "clip_norm"),
        ("texts", "max_new_tokens", "self_reports"),
    ],
)
def test_two_values_that_change_places_are_a_change(
    organism: Experiment, section: str, one: str, two: str
) -> None:
    path = place(section, "identify")
    values = organism.document
    for key in path:
        values = values[key]
    jobs = organism.dry_run(nested(path, {one: values[two], two: values[one]}))
    assert rules_of(f"{section}.{one}") == rules_of(f"{section}.{two}")
    rules = {*rules_of(f"{section}.{one}"), "report"}
    check(organism, jobs, meant(organism, rules, "identify"))
