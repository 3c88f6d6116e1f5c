"""Settings refuse what cannot be run."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from selfsame.training.settings import FinetuningSettings


@pytest.mark.parametrize(
    "wrong",
    [
        {"rank": 0},
        {"learning_rate": 0},
        {"learning_rate": float("nan")},
        {"modules": []},
        {"modules": ["q_proj", "q_proj"]},
        {"modules": "all"},
        {"layers": [-1]},
        {"layers": []},
        {"layers": [0, 0]},
        {"dropout": 1.0},
        {"steps": 4, "warmup_steps": 4},
        {"schedule": "step"},
        {"precision": "float16"},
        {"learning_rat": 1e-3},
    ],
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        FinetuningSettings(**wrong)


def test_settings_survive_json():
    settings = FinetuningSettings(modules=["down_proj"], layers=[0])
    assert FinetuningSettings(**settings.model_dump(mode="json")) == settings


def test_settings_import_nothing_heavy():
    code = (
        "import sys, selfsame.training.settings, selfsame.models.settings;"
        "print([m for m in ('torch', 'transformers', 'peft', 'pandas') if m in sys.modules])"
    )
    path = [entry for entry in sys.path if entry]
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}; {code}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
