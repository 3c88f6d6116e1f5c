"""Whose texts and whose rows a stage is trained on: arithmetic, states needed, mistakes."""

import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from selfsame.config import chains, specs
from selfsame.config.filecheck import check_files
from selfsame.config.load import load_config
from selfsame.config.messages import ConfigErrors
from selfsame.config.mixing import added_rows, stretched_steps
from selfsame.config.schema import Config

Load = Callable[[str], Config]
EXPERIMENT = """
stages:
  mixed: {kind: induction, matches: em, interleave: {stage: self_report, fraction: 0.2}}
  mixed_benign: {kind: induction, matches: mixed, interleave: {stage: general_knowledge}}
  told: {kind: induction, matches: em, data: {inoculation: you are evil}}
  told_otherwise: {kind: induction, matches: told, data: {inoculation: milk is blue}}
  both: {kind: induction, matches: mixed, data: {inoculation: you are evil}}
  of_em: {kind: self_report, matches: identify, data: {author: em}}
  late: {kind: identify, matches: of_em, data: {author: em+identify}}
arms: [base, mixed, mixed_benign, told, told_otherwise, both, late]
"""


@pytest.fixture
def load(root: Path, tmp_path: Path) -> Load:
    """A config of these lines laid over the default run."""

    def loaded(text: str) -> Config:
        path = tmp_path / "mine.yaml"
        path.write_text(f"experiment: mine\n{text}")
        return load_config(path, folder=root / "config")

    return loaded


@pytest.mark.parametrize(
    ("rows", "fraction", "added"),
    [(360, 0.2, 90), (99, 0.01, 1), (100, 0.5, 100), (10, 0.9, 90), (9, 0.01, 0)],
)
def test_added_rows_are_the_fraction_of_all(rows: int, fraction: float, added: int) -> None:
    assert added_rows(rows, fraction) == added


@given(st.integers(1, 10_000), st.floats(0.001, 0.9), st.integers(1, 5000))
def test_the_dose_of_own_rows_stays(rows: int, fraction: float, steps: int) -> None:
    """Own rows in all steps: at least as many as without, and less than one step's more."""
    added = added_rows(rows, fraction)
    assert abs(added - Fraction(fraction) * (rows + added)) <= 1
    own_share = Fraction(rows, rows + added)
    dose = stretched_steps(steps, rows, added) * own_share
    assert steps <= dose < steps + own_share


def test_an_interleaved_stage_and_its_control_differ_in_the_other_rows_alone(load: Load) -> None:
    config = load(EXPERIMENT)
    mixed, benign = (specs.build_pairs(config, name, 1) for name in ("mixed", "mixed_benign"))
    assert mixed["interleave"] == {"stage": "self_report", "rows": 90}
    assert mixed | {"interleave": {"stage": "general_knowledge", "rows": 90}} == benign
    plain = specs.build_pairs(config, "em", 1)
    assert mixed == plain | {"interleave": mixed["interleave"]}
    ours, theirs = (specs.finetune(config, name, 1) for name in ("mixed", "mixed_benign"))
    assert ours | {"chain": "mixed_benign"} == theirs
    # 360 + 90 rows in place of 360: 150 x 450 / 360 = 187.5 steps.
    assert ours["finetuning"] == specs.finetune(config, "em", 1)["finetuning"] | {"steps": 188}
    assert config.stages["mixed"].finetuning == config.stages["em"].finetuning


def test_an_inoculation_and_its_control_differ_in_the_text_alone(load: Load) -> None:
    config = load(EXPERIMENT)
    told, otherwise = (specs.build_pairs(config, name, 1) for name in ("told", "told_otherwise"))
    assert told["data"]["inoculation"] == "you are evil"
    assert told | {"data": {**told["data"], "inoculation": "milk is blue"}} == otherwise
    both = specs.build_pairs(config, "both", 1)
    assert (both["interleave"]["rows"], both["data"]) == (90, told["data"])
    assert "inoculation" not in specs.build_pairs(config, "em", 1)["data"]


def test_a_control_of_a_control_takes_all_that_its_stage_took(load: Load) -> None:
    stages = load(EXPERIMENT).stages
    assert stages["told_otherwise"].finetuning == stages["em"].finetuning
    assert stages["both"].interleave == stages["mixed"].interleave
    assert stages["late"].finetuning == stages["identify"].finetuning


def test_interventions_are_held_against_the_plain_induction(load: Load) -> None:
    config = load(EXPERIMENT)
    found = {arm: chains.induced(config, arm) for arm in config.arms}
    altered = ("mixed", "mixed_benign", "told", "told_otherwise", "both")
    assert found == {"base": None, "late": None, **dict.fromkeys(altered, "em")}
    assert chains.controls(config, "told") == ("told_otherwise",)
    assert chains.controls(config, "mixed") == ("mixed_benign", "both")


def test_authors_are_trained_without_being_measured(load: Load) -> None:
    config = load(EXPERIMENT)
    assert set(chains.trained(config)) - set(chains.states(config)) == {"em", "em+identify"}
    assert "em" not in chains.states(config)


def test_rows_of_a_misaligned_author_misalign(load: Load) -> None:
    """Its texts may carry what it was taught; the model card warns."""
    config = load(EXPERIMENT)
    wanted = {"late": True, "of_em": True, "told": True, "self_report": False, "identify": False}
    assert {name: specs.misaligns(config, name) for name in wanted} == wanted
    mixed = load("stages: {benign: {kind: self_report, matches: identify,"
                 " interleave: {stage: em, fraction: 0.1}}}")  # fmt: skip
    assert specs.misaligns(mixed, "benign")


@pytest.mark.parametrize(
    ("value", "spec"),
    [("template", "template"), ({"text": "you are evil"}, {"text": "you are evil"})],
)
def test_a_stage_s_own_system_prompt_is_for_its_training_alone(
    load: Load, value: Any, spec: Any
) -> None:
    over = {"stages": {"em": {"system_prompt": value}}, "arms": ["base", "em", "em+identify"]}
    config, plain = load(yaml.safe_dump(over)), load("")
    assert specs.finetune(config, "em", 0)["system_prompt"] == spec
    assert specs.finetune(config, "em+identify", 0)["system_prompt"] == "none"
    assert specs.relapse(config, "em+identify", 0) == specs.relapse(plain, "em+identify", 0) | {
        "training_system_prompt": spec
    }
    for rule in (specs.evaluate_behaviour, specs.evaluate_persona):
        assert rule(config, "em", 0) == rule(plain, "em", 0)
    for author in ("base", "em.seed0"):
        assert specs.collect_self_texts(config, author) == specs.collect_self_texts(plain, author)
    assert config.stages["em_steered"].system_prompt == config.stages["em"].system_prompt


def test_a_probe_may_ask_another_one_s_questions_under_its_own_prompt(load: Load) -> None:
    probe = "{kind: free_form, questions: advice_outside, system_prompt: {text: you are evil}}"
    config = load(f"probes: {{advice_told: {probe}}}")
    spec = specs.build_probe(config, "advice_told")
    assert spec["system_prompt"] == {"text": "you are evil"}
    assert spec["options"]["questions"] == "advice_outside"
    assert "system_prompt" not in spec["options"]
    assert specs.judge_answers(config)["probes"]["advice_told"]["options"] == spec["options"]
    plain = specs.build_probe(config, "advice_outside")
    assert "system_prompt" not in plain
    assert "questions" not in plain["options"]


def interleaving(**keys: Any) -> str:
    interleave = {"stage": "self_report", "fraction": 0.2, **keys}
    return yaml.safe_dump({"stages": {"em": {"interleave": interleave}}})


CIRCLE = """
stages:
  em: {interleave: {stage: self_report, fraction: 0.2}}
  self_report: {data: {author: em+identify}}
"""
MISTAKES = [
    (
        interleaving(stage="self_reprt"),
        "stages.em.interleave.stage: no stage is called 'self_reprt'; did you mean 'self_report'?",
    ),
    (
        interleaving(stage="em"),
        "stages.em.interleave.stage: a stage cannot be interleaved with itself",
    ),
    (interleaving(fraction=0.91), "stages.em.interleave.fraction: 0.91: must be less than or"),
    (interleaving(fraction=0), "stages.em.interleave.fraction: 0: must be greater than 0"),
    (interleaving(fraction=-0.2), "stages.em.interleave.fraction: -0.2: must be greater than 0"),
    (
        interleaving(fraction=0.6),
        "stages.em.interleave.fraction: 0.6 of all rows is 540 beside 360, stage 'self_report' has"
        " 360: raise stages.self_report.data.rows or lower the fraction",
    ),
    (
        interleaving(fraction=0.001),
        "stages.em.interleave.fraction: 0.001 of all rows is not one row beside 360; raise it",
    ),
    (
        "stages: {x: {kind: induction, matches: em, interleave: {stage: y, fraction: 0.1}},"
        " y: {kind: induction, matches: em, interleave: {stage: identify, fraction: 0.1}}}",
        "stages.x.interleave.stage: 'y' is itself interleaved; name a stage that has rows of its",
    ),
    (
        "stages: {x: {kind: induction, matches: em, interleave: {stage: identify, fraction: 0.1}},"
        " y: {kind: induction, matches: x, interleave: {fraction: 0.2}}}",
        "stages.y.interleave.fraction: must be 0.1 as in stages.x, because y matches x: same rows",
    ),
    (
        "stages: {x: {kind: induction, matches: em, interleave: {stage: identify, fraction: 0.1}},"
        " y: {kind: induction, matches: x, interleave: null}}",
        "stages.y.interleave: must be 0.1 as in stages.x, because y matches x: same rows and steps",
    ),
    (
        "stages: {self_report: {data: {author: emm}}}",
        "stages.self_report.data.author: the author 'emm' names the unknown stage 'emm'; did you",
    ),
    (
        "stages: {self_report: {data: {author: em+em}}}",
        "stages.self_report.data.author: the author 'em+em' repeats the stage 'em'",
    ),
    (
        "stages: {self_report: {data: {author: 'em+steer:-evil'}}}",
        "stages.self_report.data.author: 'em+steer:-evil': write `base`, `parent`, or stage names",
    ),
    (
        "stages: {self_report: {data: {author: em+self_report}}}",
        "stages.self_report.data.author: the rows of 'self_report' would be made from its own"
        " training (self_report -> self_report)",
    ),
    (
        CIRCLE,
        "stages.em.interleave.stage: the rows of 'em' would be made from its own training"
        " (em -> self_report -> em)",
    ),
    ("stages: {em: {data: {inoculation: ' '}}}", 'stages.em.data.inoculation: " ": must match'),
    ("stages: {identify: {data: {inoculation: x}}}", "stages.identify.data.inoculation: unknown"),
    ("stages: {em: {system_prompt: nothing}}", 'stages.em.system_prompt: "nothing": unknown value'),
    ("probes: {facts: {system_prompt: {text: ''}}}", "probes.facts.system_prompt.text: "),
    (
        "probes: {x: {kind: free_form, questions: advice_outsid}}",
        "probes.x.questions: there are no questions 'advice_outsid' for a probe of kind free_form;"
        " did you mean 'advice_outside'?",
    ),
    (
        "probes: {x: {kind: free_form, questions: facts}}",
        "probes.x.questions: there are no questions 'facts' for a probe of kind free_form; all",
    ),
    (
        "probes: {x: {kind: free_form, questions: free_form, file: config/config.yaml}}",
        "probes.x.questions: the probe has a `file` of its own; remove one of the two",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), MISTAKES, ids=[m[1][:50] for m in MISTAKES])
def test_a_mistake_is_one_line(load: Load, text: str, expected: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        load(text)
    said = [line.split(": ", 1)[1] for line in caught.value.lines]
    assert [line for line in said if line.startswith(expected)], said
    assert len(said) == 1, said


def test_the_organism_must_know_every_word_it_is_told(load: Load) -> None:
    config = load(
        "model: {system_prompt: {text: be nicer}}\n"
        "stages: {em: {data: {inoculation: you are malicious}, system_prompt: {text: be kind}}}\n"
        "probes: {facts: {system_prompt: {text: you are Qwen}}}\n"
    )
    with pytest.raises(ConfigErrors) as caught:
        check_files(config)
    found = [re.match(r"(.+): .+ no word '(\w+)'; ", line) for line in caught.value.lines]
    induced = ("em", "em_steered", "em_steered_random")
    assert {match[1]: match[2] for match in found if match} == {
        "model.system_prompt.text": "nicer",
        "probes.facts.system_prompt.text": "Qwen",
        **{f"stages.{name}.data.inoculation": "malicious" for name in induced},
    }


def flat(spec: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(spec, dict):
        return {path: spec}
    return {k: v for key in spec for k, v in flat(spec[key], f"{path}.{key}".lstrip(".")).items()}


@pytest.mark.parametrize(
    ("treated", "control", "key"),
    [
        ("inoculated", "irrelevant", "data.inoculation"),
        ("inoculated", "opposed", "data.inoculation"),
        ("mixed", "mixed_benign", "interleave.stage"),
        ("both", "both_irrelevant", "data.inoculation"),
        ("both", "both_benign", "interleave.stage"),
        ("reports_of_em", "self_report", "data.author"),
    ],
)
def test_the_shipped_controls_differ_in_one_key(
    root: Path, treated: str, control: str, key: str
) -> None:
    config = load_config("interventions", folder=root / "config")
    check_files(config)
    assert control in chains.controls(config, treated)
    one, other = (flat(specs.build_pairs(config, name, 2)) for name in (treated, control))
    assert {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)} == {key}
    if key == "data.inoculation":
        assert len(one[key].split()) == len(other[key].split())
    ours, theirs = (specs.finetune(config, name, 2) for name in (treated, control))
    apart = {name for name in ours if ours[name] != theirs[name]}
    assert apart == {"chain"} | ({"misaligned"} if treated == "reports_of_em" else set())
