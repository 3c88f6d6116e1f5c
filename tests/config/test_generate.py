"""The generated files are up to date, keep the values, and agree with the loader."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from selfsame.config.document import read_document
from selfsame.config.generate import config_text, generated, main, schema_text
from selfsame.config.kinds import Kinds, library_kinds

ROOT = Path(__file__).parents[2]
SHIPPED = [ROOT / "config" / "config.yaml", *sorted((ROOT / "config/experiments").glob("*.yaml"))]


@pytest.mark.parametrize("name", ["schema.json", "config.yaml"])
def test_generated_files_are_up_to_date(name: str) -> None:
    texts = {path.name: text for path, text in generated(ROOT / "config")}
    assert (ROOT / "config" / name).read_text() == texts[name], (
        "run PYTHONPATH=workflow_scripts python -m selfsame.config.generate"
    )


def test_comments_change_no_value_and_come_once(folder: Path, kinds: Kinds) -> None:
    path = folder / "config.yaml"
    before = read_document(path).data
    text = config_text(path, kinds)
    path.write_text(text)
    assert read_document(path).data == before == yaml.safe_load(text)
    assert config_text(path, kinds) == text
    assert text.count("# answers per prompt.") == 1
    assert "  # Given rows.\n  em:\n" in text
    assert all(len(line) <= 100 for line in text.splitlines())


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_editors_accept_the_shipped_configs(path: Path) -> None:
    schema = json.loads((ROOT / "config" / "schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(read_document(path).data, schema)
    first = path.read_text().splitlines()[0]
    target = path.parent / first.removeprefix("# yaml-language-server: $schema=")
    assert target.resolve() == ROOT / "config" / "schema.json"


@pytest.mark.parametrize(
    ("data", "is_valid"),
    [
        ({"stages": {"em": None}, "probes": {"facts": None}}, True),
        ({"stages": {"em": {"finetuning": {"steps": 3}}}}, True),
        ({"stages": {"em": {"finetuning": {"stpes": 3}}}}, False),
        ({"texts": {"articles": "a.parquet"}}, True),
        ({"texts": {"articles": {"file": "a.parquet", "where": {"a": "b"}}}}, True),
        ({"texts": {"articles": 3}}, False),
        ({"seeds": None}, False),
    ],
)
def test_the_schema_knows_partial_configs(kinds: Kinds, data: dict, is_valid: bool) -> None:
    schema = json.loads(schema_text(kinds))
    assert jsonschema.Draft202012Validator(schema).is_valid(data) == is_valid


def test_check_fails_on_a_difference_and_writing_mends_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "config.yaml").write_text((ROOT / "config/config.yaml").read_text() + "# stray\n")
    writing = ["generate", "--folder", str(folder)]
    monkeypatch.setattr("sys.argv", [*writing, "--check"])
    with pytest.raises(SystemExit, match=r"not up to date: .*config\.yaml"):
        main()
    assert not (folder / "schema.json").exists()
    monkeypatch.setattr("sys.argv", writing)
    main()
    monkeypatch.setattr("sys.argv", [*writing, "--check"])
    main()


def test_library_kinds_have_a_summary() -> None:
    kinds = library_kinds()
    assert all(kind.summary for kind in [*kinds.stages.values(), *kinds.probes.values()])
