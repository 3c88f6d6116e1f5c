"""The classes made from kinds, and the config's own consistency without a loader."""

import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from selfsame.config.kinds import Kinds, discover, library_kinds
from selfsame.config.load import load_config
from selfsame.config.schema import config_class


def test_a_module_in_the_package_is_a_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "some_kinds"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "shared.py").write_text("")
    (package / "new.py").write_text(
        '"""A new\nkind.\n\nMore."""\n'
        "from pydantic import BaseModel\n\n\nclass Options(BaseModel):\n    width: int = 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    found = discover("some_kinds")
    assert list(found) == ["new"]
    assert found["new"].summary == "A new kind."
    assert found["new"].options().width == 3
    for name in [name for name in sys.modules if name.startswith("some_kinds")]:
        del sys.modules[name]


def test_the_library_has_the_kinds_of_the_method() -> None:
    assert {"induction", "identify", "acknowledge", "random_labels"} <= set(library_kinds().stages)
    assert {"free_form", "choice", "recognition", "identity"} <= set(library_kinds().probes)


def test_a_probe_is_an_instance_of_its_kind_s_options(folder: Path, kinds: Kinds) -> None:
    config = load_config(None, folder, kinds)
    assert isinstance(config.probes["advice"], kinds.probes["asked"].options)
    assert isinstance(config.stages["em"].data, kinds.stages["rows"].options)


def test_a_config_survives_its_own_json(folder: Path, kinds: Kinds) -> None:
    config = load_config(None, folder, kinds)
    again = config_class(kinds).model_validate_json(config.model_dump_json())
    assert again.model_dump() == config.model_dump()


def test_a_config_made_without_the_loader_is_checked_too(folder: Path, kinds: Kinds) -> None:
    data = load_config(None, folder, kinds).model_dump(mode="json")
    data["arms"] = ["em+nothing"]
    with pytest.raises(ValidationError, match="unknown stage 'nothing'"):
        config_class(kinds).model_validate(data)


def test_settings_cannot_be_changed(folder: Path, kinds: Kinds) -> None:
    config = load_config(None, folder, kinds)
    with pytest.raises(ValidationError, match="frozen"):
        config.seeds = (1,)  # type: ignore[misc]


def test_every_key_of_a_config_is_described() -> None:
    """Every key that a user may write says what it means."""
    schema = config_class(library_kinds()).model_json_schema()
    classes = {"Config": schema, **schema["$defs"]}
    bare = [
        f"{name}.{key}"
        for name, node in classes.items()
        for key, field in node.get("properties", {}).items()
        if "description" not in field and "$ref" not in field and key != "kind"
    ]
    assert bare == []
