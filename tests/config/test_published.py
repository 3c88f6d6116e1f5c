"""The section `published`, its mapping files, and what of them enters the specs."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from published_answers import MAPPING, answer_rows, conditions
from selfsame.config import specs
from selfsame.config.filecheck import check_files
from selfsame.config.load import load_config
from selfsame.config.messages import ConfigErrors
from selfsame.config.published import own_contrasts, read_publication
from selfsame.config.schema import Config
from selfsame.errors import UserError

Document = Mapping[str, Any]


@pytest.fixture
def folder(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the shipped config, a mapping file and answers."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(root / "config", tmp_path / "config")
    Path("mapping.yaml").write_text(yaml.safe_dump(MAPPING, sort_keys=False))
    answer_rows(conditions(base=["110"], em=["100", "001"])).to_parquet("answers.parquet")
    return tmp_path


def load(published: Document | str | None, **more: Any) -> Config:
    Path("mine.yaml").write_text(
        yaml.safe_dump({"experiment": "mine", "published": published, **more})
    )
    return load_config("mine.yaml")


GIVEN = {"file": "answers.parquet", "mapping": "mapping.yaml"}


def lines_of(published: Document | str) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        check_files(load(published))
    return list(caught.value.lines)


@pytest.mark.usefixtures("folder")
def test_a_sound_section_passes() -> None:
    check_files(load(GIVEN))
    assert load("answers.parquet").published is not None


@pytest.mark.usefixtures("folder")
def test_missing_files_are_named_with_their_keys() -> None:
    lines = lines_of({"file": "absent.csv", "mapping": "config/published/truthfulqa.yaml"})
    assert lines == [
        "mine.yaml:2: published: no such file: absent.csv",
        "mine.yaml:4: published.mapping: no such file: config/published/truthfulqa.yaml;"
        " did you mean 'config/published/truthfulqa_binary.yaml'?",
    ]


@pytest.mark.usefixtures("folder")
def test_a_wrong_answer_is_found_before_any_job() -> None:
    rows = answer_rows(conditions(base=["110"]))
    rows.assign(answer="C").to_csv("answers.csv", index=False)
    assert lines_of({**GIVEN, "file": "answers.csv"}) == [
        "published: answers.csv: row 1: answer 'C' is not among A, B, Invalid (and 2 more rows)"
    ]


@pytest.mark.usefixtures("folder")
def test_the_probe_must_be_one_with_two_options() -> None:
    lines = lines_of({**GIVEN, "probe": "knowledge"})
    assert lines == [
        "mine.yaml:5: published.probe: 'knowledge' is no probe of kind choice; allowed: facts"
    ]


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "unknown key": ({"titel": "x"}, "titel: unknown key; did you mean 'title'?"),
    "no letters": ({"answers": {"valid": [], "invalid": "x"}}, "answers.valid: "),
    "stage": (
        {"conditions": {"x": {"chain": "em+identfy"}}},
        "conditions.x.chain: no stage is called 'identfy'; did you mean 'identify'?",
    ),
    "form of a chain": ({"conditions": {"x": {"chain": "em identify"}}}, "conditions.x.chain: "),
    "variant": (
        {"conditions": {"x": {"chain": "em", "system": "bar"}}},
        "conditions.x.system: no variant is called 'bar'; did you mean 'bare'?",
    ),
    "variants": (
        {"conditions": {"x": {"chain": "em+identify", "system": "bare"}}},
        "conditions.x.system: must name a variant for each of the 2 stages, joined by +",
    ),
    "same chain": (
        {"conditions": {"x": {"chain": "em"}, "y": {"chain": "em", "system": "own"}}},
        "conditions.y: another condition is the chain 'em', too",
    ),
    "role": (
        {"contrasts": [{"name": "a", "title": "b", "chain": "em", "control": "base"}]},
        "contrasts[0].chain: no role is called 'em'",
    ),
    "short chain": (
        {"contrasts": [{"name": "a", "title": "b", "chain": "base", "control": "induction"}]},
        "contrasts[0].chain: the chain must have as many stages as its control, and one at least",
    ),
    "printed condition": (
        {"printed": [{"model": "m", "condition": "emm", "mean": "1.0"}]},
        "printed[0].condition: no condition is called 'emm'; did you mean 'em'?",
    ),
    "printed number": (
        {"printed": [{"model": "m", "condition": "em", "mean": 1.0}]},
        "printed[0].mean: ",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_each_mistake_in_a_mapping_is_one_line(folder: Path, name: str) -> None:
    over, expected = MISTAKES[name]
    printed = [] if "conditions" in over else MAPPING["printed"]
    path = folder / "mapping.yaml"
    path.write_text(yaml.safe_dump({**MAPPING, "printed": printed, **over}, sort_keys=False))
    with pytest.raises(ConfigErrors) as caught:
        read_publication("mapping.yaml")
    (line,) = caught.value.lines
    assert line.startswith("mapping.yaml:")
    assert line.split(": ", 1)[1].startswith(expected)


def test_a_mapping_is_read_strictly(folder: Path) -> None:
    path = folder / "mapping.yaml"
    path.write_text("title: a\ntitle: b\n")
    with pytest.raises(ConfigErrors) as caught:
        read_publication("mapping.yaml")
    assert "mapping.yaml:2: title: the key is given twice (first on line 1)" in caught.value.lines
    with pytest.raises(ConfigErrors, match="cannot be read"):
        read_publication("absent.yaml")


def test_an_edited_mapping_is_read_again(folder: Path) -> None:
    before = read_publication("mapping.yaml")
    (folder / "mapping.yaml").write_text(yaml.safe_dump({**MAPPING, "title": "another"}))
    assert (before.title, read_publication("mapping.yaml").title) == (MAPPING["title"], "another")


def test_every_shipped_mapping_is_sound(root: Path) -> None:
    files = sorted((root / "config" / "published").glob("*.yaml"))
    assert files
    for file in files:
        assert read_publication(str(file)).contrasts


@pytest.mark.usefixtures("folder")
def test_without_the_section_no_spec_knows_of_it() -> None:
    config = load(None)
    assert "published" not in specs.report(config)["config"]
    assert "published" not in specs.build_tables(config)
    with pytest.raises(UserError, match="published: give `file`"):
        specs.published_numbers(config)


@pytest.mark.usefixtures("folder")
def test_the_spec_holds_what_the_mapping_says_and_no_path() -> None:
    spec = specs.published_numbers(load({**GIVEN, "where": {"part": "a"}}))
    assert spec["publication"]["conditions"]["em_sgtr"]["chain"] == "em+identify"
    assert spec["where"] == {"part": "a"}
    assert spec["statistics"].keys() == {"bootstrap_samples", "confidence", "correction", "seed"}
    assert "answers.parquet" not in str(spec)


@pytest.mark.usefixtures("folder")
def test_ours_are_on_the_grid_where_a_probe_asks_the_same() -> None:
    assert "published" not in specs.build_tables(load(GIVEN))  # no probe is called `truthful`
    spec = specs.build_tables(load({**GIVEN, "probe": "facts"}))["published"]
    assert spec["probe"] == "facts"
    truthful = {"probes": {"truthful": {"kind": "choice"}}}
    assert specs.build_tables(load(GIVEN, **truthful))["published"]["probe"] == "truthful"


@pytest.mark.usefixtures("folder")
def test_our_own_arms_are_found_by_kind() -> None:
    found = own_contrasts(load(GIVEN))
    pairs = {(c.name, c.chain, c.control, c.lineage) for c in found}
    assert pairs >= {
        ("induction", "em", "base", False),
        ("reversal", "em+identify", "em", True),
        ("beyond_control", "em+identify", "em+pick_longer", True),
        ("prevention", "identify+em", "em", False),
    }
    assert not any("steer:" in c.chain for c in found)
