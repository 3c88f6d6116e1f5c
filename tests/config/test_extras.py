"""A missing optional package is said before any job starts, with the key that asks for it."""

import json
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from selfsame.config.extras import EXTRAS, check_extras
from selfsame.config.load import load_config
from selfsame.config.messages import ConfigErrors
from selfsame.config.schema import Config

CONFIG = Path(__file__).parents[2] / "config"
Load = Callable[..., Config]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """The default config with these keys changed."""

    def loaded(**keys: Any) -> Config:
        path = tmp_path / "mine.yaml"
        path.write_text(json.dumps({"experiment": "mine", **keys}), encoding="utf-8")
        return load_config(path, CONFIG)

    return loaded


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in EXTRAS.values():
        monkeypatch.setitem(sys.modules, module, None)  # as Python itself notes what it lacks


@pytest.mark.usefixtures("nothing_installed")
def test_every_key_that_needs_one_has_a_line(load: Load) -> None:
    config = load(
        benchmarks={"tasks": ["mmlu"]},
        stages={"em": {"finetuning": {"optimizer": "adamw_8bit"}}},
        judges={"own": {"kind": "local", "hub_id": "some/model", "quantization": "4bit"}},
        probes={"free_form": {"judges": ["own"]}},
    )
    with pytest.raises(ConfigErrors) as caught:
        check_extras(config)
    quantised = "needs bitsandbytes, which is not installed; pip install 'selfsame[quantised]'"
    lines = str(caught.value).splitlines()
    assert lines[0] == (
        "benchmarks: needs lm_eval, which is not installed; pip install 'selfsame[benchmarks]'"
    )
    assert lines[1] == f"judges.own.quantization: {quantised}"
    assert set(lines[2:]) == {
        f"stages.{name}.finetuning.optimizer: {quantised}"
        for name in ("em", "em_steered", "em_steered_random")  # the others match it
    }


@pytest.mark.usefixtures("nothing_installed")
def test_who_asks_for_nothing_needs_nothing(load: Load) -> None:
    check_extras(load())


def test_what_is_installed_is_found(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lm_eval.py").touch()
    monkeypatch.delitem(sys.modules, "lm_eval", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    check_extras(load(benchmarks={"tasks": ["mmlu"]}))


def test_extras_are_the_projects(project_extras: set[str]) -> None:
    assert set(EXTRAS) == project_extras - {"dev"}


@pytest.fixture
def project_extras() -> set[str]:
    text = (CONFIG.parent / "pyproject.toml").read_text(encoding="utf-8")
    return set(tomllib.loads(text)["project"]["optional-dependencies"])
