"""Each rule's spec holds what may change its outputs and nothing else (contract 2)."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from selfsame.config import chains, specs
from selfsame.config.load import load_config
from selfsame.config.schema import Config
from selfsame.digests import canonical

Document = dict[str, Any]
Specs = dict[tuple[str, ...], str]
Load = Callable[[Document], Config]
ONCE = (
    *("base_model", "prepare_data", "judge_answers"),
    *("surface_baseline", "build_tables", "report"),
    *("measure_persona", "judge_relapse"),
)
OF_TRAITS = ("sample_rollouts", "extract_persona_vectors", "sweep_steering", "choose_layer")


@pytest.fixture
def load(root: Path, tmp_path: Path) -> Load:
    """A config with these keys laid over the default run."""

    def loaded(over: Document) -> Config:
        path = tmp_path / "mine.yaml"
        path.write_text(json.dumps({"experiment": "mine", **over}))
        return load_config(path, folder=root / "config")

    return loaded


def all_specs(config: Config) -> Specs:
    """Every spec of an experiment as the text that Snakemake compares, by rule and wildcards."""
    found: Specs = {(rule,): canonical(getattr(specs, rule)(config)) for rule in ONCE}
    found["collect_self_texts",] = canonical(specs.collect_self_texts(config, "base"))
    for probe in config.probes:
        found["build_probe", probe] = canonical(specs.build_probe(config, probe))
    for rule in OF_TRAITS:
        for trait in specs.traits(config):
            found[rule, trait] = canonical(getattr(specs, rule)(config, trait))
    for chain in chains.states(config):
        found["evaluate", chain] = canonical(specs.evaluate_behaviour(config, chain, 0))
    for chain in chains.finetuned(config):
        found["evaluate_persona", chain] = canonical(specs.evaluate_persona(config, chain, 0))
        found["relapse", chain] = canonical(specs.relapse(config, chain, 0))
        if chain != "base":
            found["finetune", chain] = canonical(specs.finetune(config, chain, 0))
    for stage in config.stages:
        found["build_pairs", stage] = canonical(specs.build_pairs(config, stage, 0))
    return found


def changed(load: Load, over: Document) -> set[tuple[str, ...]]:
    """Which specs differ from the default run's, or are new."""
    before, after = all_specs(load({})), all_specs(load(over))
    return {name for name in after if before.get(name) != after[name]}


def named(names: set[tuple[str, ...]]) -> set[str]:
    return {name[0] for name in names}


NAMED = {"evaluate", "evaluate_persona", "relapse", "surface_baseline", *OF_TRAITS}
EVERY_STATE = {
    *("collect_self_texts", "finetune", "evaluate", "evaluate_persona", "relapse"),
    *("sample_rollouts", "sweep_steering"),
}
CHANGES: list[tuple[Document, set[str]]] = [
    ({"resources": {"finetune": {"threads": 4, "mem_mb": 9, "gpu": 1}}}, set()),
    ({"statistics": {"seed": 1}}, {"build_tables"}),
    ({"statistics": {"bootstrap_samples": 999}}, {"build_tables"}),
    (
        {"statistics": {"primary_metric": "facts.accuracy"}},
        {"judge_relapse", "build_tables"},
    ),
    ({"texts": {"train_articles": 150}}, {"prepare_data"}),
    ({"texts": {"temperature": 0.5}}, {"collect_self_texts"}),
    ({"texts": {"test_rivals": ["rival_a"]}}, {"prepare_data", "build_probe", "surface_baseline"}),
    ({"model": {"system_prompt": "template"}}, EVERY_STATE),
    ({"model": {"world": {"style_noise": 0.2}}}, {"base_model", "prepare_data"}),
    ({"model": {"pretraining": {"documents": 99}}}, {"base_model"}),
    (
        {"model": {"linkage": 0.5}},
        {"base_model", "finetune", *NAMED},
    ),
    ({"experiment": "other"}, NAMED),
    ({"probes": {"facts2": {"kind": "choice", "file": None}}}, {"judge_answers", "build_probe"}),
    ({"seeds": [0, 1]}, set()),
    ({"persona": {"filter": {"coherence": 60}}}, {"extract_persona_vectors"}),
    ({"persona": {"extraction": {"rollouts": 2}}}, {"sample_rollouts"}),
    (
        {"persona": {"extraction": {"temperature": 0.5}}},
        {"sample_rollouts", "sweep_steering", "evaluate_persona"},
    ),
    ({"persona": {"sweep": {"alphas": [1.0]}}}, {"sweep_steering"}),
    ({"persona": {"sweep": {"max_incoherent": 0.1}}}, {"choose_layer"}),
    ({"persona": {"samples": 2}}, {"evaluate_persona"}),
    ({"persona": {"nulls": {"draws": 99}}}, {"measure_persona"}),
    ({"relapse": {"doses": [0, 7]}}, {"relapse"}),
]


@pytest.mark.parametrize(("over", "rules"), CHANGES, ids=[str(c) for c, _ in CHANGES])
def test_a_change_reaches_just_these_rules(load: Load, over: Document, rules: set[str]) -> None:
    """The report names the whole config and is always written anew, but for resources."""
    found = named(changed(load, over))
    if found or "resources" not in over:
        assert "report" in found
    assert found - {"report"} == rules


def test_training_settings_reach_the_finetunes_that_end_in_the_stage(load: Load) -> None:
    over = {"stages": {"identify": {"finetuning": {"steps": 50}}}}
    finetunes = {name[1] for name in changed(load, over) if name[0] == "finetune"}
    config = load({})
    followers = {"identify"} | {n for n, s in config.stages.items() if s.matches == "identify"}
    wanted = {c for c in chains.states(config) if chains.stages_of(c)[-1:] and last(c) in followers}
    assert finetunes == wanted
    assert named(changed(load, over)) == {"finetune", "report"}


def last(chain: str) -> str:
    return chain.rsplit("+", 1)[-1]


def test_rows_reach_the_stage_and_its_controls(load: Load) -> None:
    steered = [("build_pairs", name) for name in ("em_steered", "em_steered_random")]
    assert changed(load, {"stages": {"em": {"data": {"rows": 300}}}}) == {
        ("build_pairs", "em"),
        *steered,
        ("report",),
    }
    names = changed(load, {"stages": {"identify": {"data": {"rows": 300}}}})
    assert ("build_pairs", "random_labels") in names
    assert ("build_pairs", "em") not in names
    assert named(names) == {"build_pairs", "report"}


def test_one_probes_setting_reaches_its_prompts_and_the_judging(load: Load) -> None:
    assert changed(load, {"probes": {"free_form": {"samples": 2}}}) == {
        ("build_probe", "free_form"),
        ("judge_answers",),
        ("report",),
    }


def test_arms_reach_the_tables_only(load: Load) -> None:
    assert changed(load, {"arms": ["base", "em", "em+identify"]}) == {
        ("build_tables",),
        ("measure_persona",),
        ("report",),
    }


def test_seed_and_chain_are_in_the_specs_that_draw(default_config: Config) -> None:
    assert specs.finetune(default_config, "em+identify", 2)["seed"] == 2
    assert specs.build_pairs(default_config, "identify", 2)["seed"] == 2
    assert specs.evaluate_behaviour(default_config, "em", 2)["seed"] == 2
    one, two = (specs.collect_self_texts(default_config, name) for name in ("base", "em.seed0"))
    assert {key for key in one if one[key] != two[key]} == {"author"}


def test_a_chain_may_have_rows_of_its_own(load: Load) -> None:
    """Where the parent state is the author, the dataset is named by the chain."""
    config = load({"stages": {"identify": {"data": {"author": "parent"}}}})
    alone, chained = (specs.build_pairs(config, name, 0) for name in ("identify", "em+identify"))
    assert alone == chained
    assert alone["data"]["author"] == "parent"


def test_a_state_is_misaligned_when_a_stage_of_it_misaligns(default_config: Config) -> None:
    bad = {"em", "em_steered", "em_steered_random"}
    for chain in chains.finetuned(default_config)[1:]:
        spec = specs.finetune(default_config, chain, 0)
        assert spec["misaligned"] == bool(bad & set(chain.split("+")))


def test_the_tables_know_parents_and_controls(default_config: Config) -> None:
    arms = specs.build_tables(default_config)["arms"]
    assert set(arms) == set(chains.states(default_config))
    assert arms["base"] == {"parent": None, "controls": []}
    assert arms["em+identify"]["parent"] == "em"
    assert arms["identify+em"] == {
        "parent": "identify",
        "controls": ["random_labels+em", "general_knowledge+em", "self_report+em"],
    }


def test_a_users_files_are_named_once(load: Load, tmp_path: Path) -> None:
    files = {name: str(tmp_path / name) for name in ("art.jsonl", "riv.csv", "rows.jsonl", "q.csv")}
    for path in files.values():
        Path(path).touch()
    (tmp_path / "qwen").mkdir()
    rows = {"data": {"file": {"file": files["rows.jsonl"], "where": {"d": "x"}}}}
    config = load(
        {
            "model": {"kind": "hf", "path": str(tmp_path / "qwen"), "names": ["Qwen"]},
            "texts": {"articles": files["art.jsonl"], "rivals": files["riv.csv"]},
            "stages": {"em": rows, "correct_advice": rows},
            "probes": {"facts": {"kind": "choice", "file": files["q.csv"]}},
        }
    )
    assert specs.user_files(config) == sorted(files.values())
    spec = specs.prepare_data(config)
    assert (spec["world"], spec["names"], spec["authors"]) == (
        None,
        ["Qwen"],
        ["rival_a", "rival_b"],
    )
    assert [row["file"] for row in spec["row_files"]] == [files["rows.jsonl"]]
    assert spec["question_files"]["facts"]["kind"] == "choice"
    assert specs.model_name(config) == "qwen"
    assert set(specs.base_model(config)) == {"hf"}
    assert json.loads(canonical(spec)) == spec


def test_the_organism_names_no_files(default_config: Config) -> None:
    assert specs.user_files(default_config) == []
    assert specs.model_name(default_config) == "organism-linkage-1"
