"""A small config folder with kinds of its own, apart from the library's."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field

from selfsame.config.kinds import Kind, Kinds
from selfsame.data.sources import ChatRowsFile, ChoiceQuestionsFile

FORBID = ConfigDict(frozen=True, extra="forbid")


class Pairs(BaseModel):
    model_config = FORBID
    rows: int = Field(400, ge=1, description="training rows")
    author: str = "base"


class Rows(BaseModel):
    model_config = FORBID
    rows: int = Field(400, ge=1)
    file: ChatRowsFile | None = None


class Asked(BaseModel):
    model_config = FORBID
    samples: int = Field(1, ge=1, description="answers per prompt")


class Chosen(BaseModel):
    model_config = FORBID
    file: ChoiceQuestionsFile | None = None


DEFAULT: dict[str, Any] = {
    "experiment": "default",
    "model": {"kind": "organism", "linkage": 1.0, "world": {"articles": 300}},
    "seeds": [0, 1],
    "texts": {"articles": "organism", "train_articles": 20},
    "stages": {
        "em": {"kind": "rows", "data": {"rows": 40}, "finetuning": {"rank": 1, "steps": 9}},
        "identify": {"kind": "pairs", "data": {"rows": 30}, "finetuning": {"rank": 2, "steps": 8}},
        "shuffled": {"kind": "pairs", "matches": "identify"},
        "benign": {"kind": "rows", "matches": "identify"},
    },
    "arms": ["base", "em+identify", "em+shuffled", "em+benign", "identify+em", "shuffled+em"],
    "probes": {"advice": {"kind": "asked", "samples": 2}, "facts": {"kind": "chosen"}},
    "statistics": {"primary_metric": "advice.harm"},
}


@pytest.fixture(scope="session")
def kinds() -> Kinds:
    return Kinds(
        stages={"pairs": Kind(Pairs, "Pairs of texts."), "rows": Kind(Rows, "Given rows.")},
        probes={"asked": Kind(Asked, "Open."), "chosen": Kind(Chosen, "Two answers.")},
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config folder with a default run; its parent is the working directory."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "config"
    (path / "experiments").mkdir(parents=True)
    (path / "config.yaml").write_text(yaml.safe_dump(DEFAULT, sort_keys=False))
    return path
