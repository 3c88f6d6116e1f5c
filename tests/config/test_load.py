"""Loading, merging, and the report of mistakes."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from selfsame.config.kinds import Kinds
from selfsame.config.load import load_config
from selfsame.config.messages import ConfigErrors
from selfsame.config.schema import Config
from selfsame.errors import UserError

ROOT = Path(__file__).parents[2]


def load(folder: Path, kinds: Kinds, text: str, name: str = "mine") -> Config:
    (folder / "experiments" / f"{name}.yaml").write_text(text)
    return load_config(name, folder, kinds)


def mistakes(folder: Path, kinds: Kinds, text: str) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        load(folder, kinds, "experiment: mine\n" + text)
    return list(caught.value.lines)


MANY = """\
experiment: bad name!
model: {linkge: 0.5, world: {domains: 80}}
seeds: [0, 0]
stages:
  em: {kind: rwos, finetuning: {rank: 1}}
  shuffled: {finetuning: {steps: 9}}
  benign: {matches: identfy}
arms: [base, em+identfy, em + identify]
probes: {facts: {file: nowhere.jsonl}}
statistics: {primary_metric: advce.harm}
resources: {finetune: {threads: none}}
seeds: [1]
"""
EXPECTED = [
    ':1: experiment: "bad name!": use up to 64 letters',
    ":2: model.linkge: unknown key; did you mean 'linkage'? Allowed: architecture, kind, linkage",
    ":2: model.world.domains: 80: must be less than or equal to 8",
    ":3: seeds: 0 is given 2 times",
    ":5: stages.em.kind: 'rwos': unknown kind; did you mean 'rows'? Allowed: pairs, rows",
    ":6: stages.shuffled.finetuning.steps: 9 must equal stages.identify.finetuning.steps (8)",
    ":7: stages.benign.matches: no stage is called 'identfy'; did you mean 'identify'?",
    ":8: arms[1]: the arm 'em+identfy' names the unknown stage 'identfy'; did you mean 'identify'?",
    ':8: arms[2]: "em + identify": write `base`, or stage names joined by +',
    ":9: probes.facts.file: no such file: nowhere.jsonl",
    ":10: statistics.primary_metric: no probe is called 'advce'; did you mean 'advice'?",
    ':11: resources.finetune.threads: "none": must be a valid integer',
    ":12: seeds: the key is given twice (first on line 3)",
]


def test_every_mistake_is_reported_at_once_on_a_line_of_its_own(folder: Path, kinds: Kinds) -> None:
    (folder / "experiments" / "many.yaml").write_text(MANY)
    with pytest.raises(ConfigErrors) as caught:
        load_config(folder / "experiments" / "many.yaml", folder, kinds)
    lines = [line for line in caught.value.lines if "must be the file's name" not in line]
    assert len(lines) == len(EXPECTED)
    for line, expected in zip(lines, EXPECTED, strict=True):
        assert "\n" not in line
        assert line.startswith(str(folder / "experiments" / "many.yaml") + expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("statistic: {}", "statistic: unknown key; did you mean 'statistics'?"),
        ("stages: {Em: {kind: rows, finetuning: {}}}", "stages.Em: as a name, use lower-case"),
        ("stages: {base: {kind: rows, finetuning: {}}}", "stages.base: `base` is the base model"),
        ("stages: {x: {kind: rows}}", "stages.x.finetuning: this key is required"),
        (
            "stages: {identify: {matches: shuffled}}",
            "stages.identify.matches: stages are controls of each other in a circle"
            " (identify -> shuffled -> identify)",
        ),
        ("stages: {shuffled: {matches: shuffled}}", "stages.shuffled.matches: a stage cannot be"),
        ("stages: {shuffled: {data: {rows: 3}}}", "stages.shuffled.data.rows: 3 must equal"),
        ("stages: {em: {finetuning: {rank: '1'}}}", 'stages.em.finetuning.rank: "1": must be a'),
        ("stages: {em: {finetuning: {rank: true}}}", "stages.em.finetuning.rank: true: must be a"),
        ("stages: {em: {data: {rows: 1.5}}}", "stages.em.data.rows: 1.5: must be a valid integer"),
        ("stages: {em: 3}", "stages.em: 3: must be a mapping of keys to values"),
        ("stages: {nobody: null}", "stages.nobody: there is none to remove; allowed: benign, em,"),
        ("probes: {x: {samples: 1}}", "probes.x: the key `kind` is required; allowed: asked"),
        ("arms: [em, base, em]", "arms[2]: the arm 'em' is given twice"),
        ("arms: [em+em]", "arms[0]: the arm 'em+em' repeats the stage 'em'"),
        ("arms: []", "arms: []: tuple should have at least 1 item"),
        ("seeds: [-1]", "seeds[0]: -1: must be greater than or equal to 0"),
        ("texts: {articles: x.parquet}", "texts.articles: must be `organism` where model.kind is"),
        ("texts: {articles: organsm}", "texts.articles: no such file: organsm; did you mean"),
        ("texts: {test_rivals: [rival_c]}", "texts.test_rivals: the organism has no rival"),
        ("texts: {test_articles: 101}", "texts.test_articles: 101: a world with"),
        ("model: {kind: hf, path: nowhere}", "model.path: no such directory: nowhere"),
        (
            "probes: {identity: {clusters: {embedding: {path: nowhere}}}}",
            "probes.identity.clusters.embedding.path: no such directory: nowhere",
        ),
        (
            "benchmarks: {tasks: [mmlu], include: nowhere}",
            "benchmarks.include: no such directory: nowhere",
        ),
        ("model: {kind: hf, path: .}", "texts.articles: `organism` needs model.kind organism"),
        ("model: {linkage: .inf}", 'model.linkage: ".inf": must be a valid number'),
        ("model: {linkage: 1e999}", "model.linkage: 1e999 is too large"),
        ("statistics: {correction: hlm}", "statistics.correction: \"hlm\": unknown value; did you"),
        ("statistics: {primary_metric: advice}", "statistics.primary_metric: 'advice' must be wri"),
        ("resources: {sampl: {gpu: 1}}", "resources.sampl: no resources can be set for this; did"),
        ("persona: {traits: [nowhere/evil.yaml]}", "persona.traits[0]: no such file: nowhere/evil"),
        ("persona: {traits: [a/x.yaml, b/x.yaml]}", "persona.traits: 2 files are called 'x'"),
        ("persona: {traits: [a/random.yaml]}", "persona.traits: 'random' cannot name a trait"),
        ("persona: {sweep: {alphas: [0]}}", "persona.sweep.alphas[0]: 0: must be greater than 0"),
        ("arms: [em+steer:-evil]", "arms[0]: persona.traits has no trait 'evil'"),
        ("arms: [em+steer:evil]", 'arms[0]: "em+steer:evil": write `base`, or stage names'),
        ("arms: [emm+steer:-evil]", "arms[0]: the arm 'emm' names the unknown stage 'emm'"),
        (
            "stages: {em: {finetuning: {steering: {trait: evil}}}}",
            "stages.em.finetuning.steering.trait: persona.traits has no trait 'evil'",
        ),
        ("relapse: {stage: emm}", "relapse.stage: 'emm' is no induction stage"),
        ("relapse: {doses: [0, 5, 5]}", "relapse.doses: [0, 5, 5]: must start at 0 and rise"),
        ("relapse: {doses: [1, 2]}", "relapse.doses: [1, 2]: must start at 0 and rise"),
        ("relapse: {doses: [a, 2]}", 'relapse.doses[0]: "a": must be a valid integer'),
        ("a: &x 1\nb: *x", "not valid YAML: aliases (*name) cannot be used"),
        ("a: [1", "not valid YAML: "),
        ("a: !!python/name:os.system x", "a: the tag tag:yaml.org,2002:python/name:os.system can"),
    ],
)  # fmt: skip
def test_a_mistake_names_its_key_and_what_is_allowed(
    folder: Path, kinds: Kinds, text: str, expected: str
) -> None:
    lines = mistakes(folder, kinds, text)
    assert any(line.split(": ", 1)[1].startswith(expected) for line in lines), lines


def test_a_mistake_in_a_stage_is_not_repeated_for_its_controls(folder: Path, kinds: Kinds) -> None:
    text = "stages: {identify: {finetuning: {rank: 0, rnak: 1}}, benign: {finetuning: {steps: 8}}}"
    lines = mistakes(folder, kinds, text)
    assert len(lines) == 2
    assert all("stages.identify.finetuning.r" in line for line in lines)


def test_a_mistake_in_the_default_run_names_that_file(folder: Path, kinds: Kinds) -> None:
    text = (folder / "config.yaml").read_text().replace("linkage: 1.0", "linkage: 7")
    (folder / "config.yaml").write_text(text)
    (line,) = mistakes(folder, kinds, "seeds: [3]")
    number = text.splitlines().index("  linkage: 7") + 1
    assert line.startswith(f"{folder / 'config.yaml'}:{number}: model.linkage: 7: must be less")


def test_an_experiment_is_laid_over_the_default_run_key_by_key(folder: Path, kinds: Kinds) -> None:
    text = "experiment: mine\nmodel: {linkage: 0}\narms: [em]\nstages: {em: {data: {rows: 7}}}"
    config = load(folder, kinds, text)
    base = load_config(None, folder, kinds)
    assert config.model.linkage == 0
    assert config.model.world == base.model.world
    assert config.arms == ("em",)
    assert config.stages["em"].data.rows == 7
    assert config.stages["em"].finetuning == base.stages["em"].finetuning
    assert config.stages["identify"] == base.stages["identify"]


def test_another_kind_replaces_the_whole_mapping(folder: Path, kinds: Kinds) -> None:
    config = load(folder, kinds, "experiment: mine\nprobes: {advice: {kind: chosen}}")
    assert config.probes["advice"].model_dump() == {"kind": "chosen", "file": None}


def test_null_removes_a_probe_or_a_stage(folder: Path, kinds: Kinds) -> None:
    text = "experiment: mine\nprobes: {facts: null}\nstages: {benign: null}\narms: [em]"
    config = load(folder, kinds, text)
    assert set(config.probes) == {"advice"}
    assert set(config.stages) == {"em", "identify", "shuffled"}


def test_a_control_takes_finetuning_rows_and_author_from_its_stage(
    folder: Path, kinds: Kinds
) -> None:
    text = "experiment: mine\nstages: {identify: {data: {author: parent}, finetuning: {steps: 77}}}"
    stages = load(folder, kinds, text).stages
    assert stages["shuffled"].finetuning == stages["identify"].finetuning
    assert stages["benign"].finetuning.steps == 77
    assert stages["shuffled"].data == stages["identify"].data
    assert stages["benign"].data.model_dump() == {"rows": 30, "file": None}


def test_an_experiment_extends_another(folder: Path, kinds: Kinds) -> None:
    lower = "experiment: lower\nseeds: [7]\nprobes: {advice: {samples: 3}, facts: null}\n"
    load(folder, kinds, lower, "lower")
    config = load(folder, kinds, "experiment: mine\nextends: lower\nseeds: [8, 9]\n")
    assert (config.experiment, config.seeds, list(config.probes)) == ("mine", (8, 9), ["advice"])
    assert config.probes["advice"].model_dump()["samples"] == 3
    assert "extends" not in config.model_dump()


def test_a_mistake_in_an_extended_experiment_names_that_file(folder: Path, kinds: Kinds) -> None:
    (folder / "experiments" / "lower.yaml").write_text("experiment: lower\nseeds: [a]\n")
    (line,) = mistakes(folder, kinds, "extends: lower\n")
    assert "config/experiments/lower.yaml:2: seeds" in line


@pytest.mark.parametrize(
    ("lower", "said"),
    [
        ("mine", "extends itself, by way of .*mine.yaml"),
        ("lowr", "no such config file"),
    ],
)
def test_what_cannot_be_extended(folder: Path, kinds: Kinds, lower: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        load(folder, kinds, f"experiment: mine\nextends: {lower}\n")


def test_an_experiment_needs_the_name_of_its_file(folder: Path, kinds: Kinds) -> None:
    with pytest.raises(ConfigErrors, match="give the experiment a name: `mine`"):
        load(folder, kinds, "seeds: [1]")
    with pytest.raises(ConfigErrors, match="must be the file's name, 'mine'"):
        load(folder, kinds, "experiment: other")


def test_an_unknown_experiment_is_answered_with_the_nearest(folder: Path, kinds: Kinds) -> None:
    load(folder, kinds, "experiment: mine")
    with pytest.raises(UserError, match="no such config file; did you mean 'mine'"):
        load_config("mien", folder, kinds)


def test_yaml_is_read_by_the_rules_of_1_2(folder: Path, kinds: Kinds) -> None:
    text = "experiment: no\nmodel: {linkage: 1e-1, world: {seed: 010}}"
    config = load(folder, kinds, text, name="no")
    assert config.experiment == "no"
    assert config.model.linkage == 0.1
    assert config.model.world.seed == 10


def test_an_unreadable_file_is_a_clear_line(folder: Path, kinds: Kinds) -> None:
    path = folder / "experiments" / "mine.yaml"
    path.write_bytes(b"experiment: \xff")
    with pytest.raises(ConfigErrors, match=r"mine\.yaml:1: cannot be read"):
        load_config("mine", folder, kinds)
    path.write_text("a: " + "[" * 600)
    with pytest.raises(ConfigErrors, match=r"mine\.yaml:1: cannot be read"):
        load_config("mine", folder, kinds)
    path.write_text("- a list")
    with pytest.raises(ConfigErrors, match="must be a mapping"):
        load_config("mine", folder, kinds)


def test_loading_imports_nothing_heavy() -> None:
    code = (
        "import sys; from selfsame.config.load import load_config; load_config(); "
        "print({'torch', 'transformers', 'peft', 'pandas', 'scipy'} & {*sys.modules})"
    )
    environment = {"PYTHONPATH": str(ROOT / "workflow_scripts")}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("name", [None, *[p.stem for p in ROOT.glob("config/experiments/*.yaml")]])
def test_the_shipped_configs_are_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str | None
) -> None:
    """With nothing amiss but the user's own files, and nothing at all once these are there."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    monkeypatch.chdir(tmp_path)
    try:
        load_config(name)
    except ConfigErrors as absent:
        found = [re.search(r": no such (file|directory): (own/\S+)$", s) for s in absent.lines]
        for kind, path in (match.groups() for match in found if match):
            Path(path).parent.mkdir(exist_ok=True)
            Path(path).touch() if kind == "file" else Path(path).mkdir()
    assert load_config(name).experiment == (name or "default")


def test_the_readme_s_example_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "config" / "README.md").read_text().split("```yaml\n")[1].split("```")[0]
    shutil.copytree(ROOT / "config", tmp_path / "config")
    (tmp_path / "config" / "experiments" / "my_model.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigErrors) as caught:
        load_config("my_model")
    absent = [line.split("no such file: ")[1] for line in caught.value.lines]
    (tmp_path / "data").mkdir()
    for name in absent:
        Path(name).touch()
    assert load_config("my_model").model.kind == "hf"


def test_the_check_command_lists_mistakes_and_fails(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("experiment: bad\nseeds: [0, 0]\nmodel: {linkage: 2}\n")
    command = [sys.executable, "-m", "selfsame.config.check", str(bad)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow_scripts")}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment
    )
    assert done.returncode == 1
    assert [line.split(":")[1] for line in done.stderr.splitlines()] == ["2", "3"]
