"""Memory told from a model's files, against loaded models, PEFT's adapters and measured peaks."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import AutoConfig

from selfsame.errors import UserError
from selfsame.models.footprint import (
    LEAST_TOKENS,
    MOST_TOKENS,
    Shape,
    adapter_bytes,
    refuse_too_large,
    row_bytes,
    sampling_tokens,
    shape_of,
    weight_bytes,
)
from selfsame.models.load import load_model
from selfsame.models.settings import Loading
from selfsame.training.adapters import add_adapter
from selfsame.training.settings import FinetuningSettings
from tiny_models import make_tiny_model

# Qwen2.5-7B-Instruct, as its published config.json says.
QWEN_7B = Shape(blocks=28, width=3584, inner=18944, kv_width=512, vocabulary=152064)
GB = 1e9

# Prints the highest memory of a training pass over one row, above what the loaded model has.
PEAK = """
import re, sys, torch
from transformers import Qwen2Config, Qwen2ForCausalLM
from selfsame.training.adapters import add_adapter
from selfsame.training.gradients import accumulate_gradients
from selfsame.training.settings import FinetuningSettings
from selfsame.training.supervision import Supervised

def highest():
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024

blocks, width, length = int(sys.argv[1]), int(sys.argv[2]), 512
checkpointing = sys.argv[3] == "True"
model = Qwen2ForCausalLM(Qwen2Config(
    vocab_size=512, hidden_size=width, intermediate_size=3 * width, num_hidden_layers=blocks,
    num_attention_heads=8, num_key_value_heads=8))
settings = FinetuningSettings(batch_size=1)
model = add_adapter(model, settings, 0).train()
if checkpointing:
    model.gradient_checkpointing_enable({"use_reentrant": False})
row = Supervised((5,) * length, (False,) * (length - 32) + (True,) * 32)
start = highest()
accumulate_gradients(model, [row], settings)
print(highest() - start)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("model") / "m", width=64, layers=3)


@pytest.mark.parametrize("loading", [Loading(), Loading(dtype="bfloat16")])
def test_weights_take_what_the_loaded_model_has(folder: Path, loading: Loading) -> None:
    model, _ = load_model(folder, loading)
    held = sum(p.numel() * p.element_size() for p in model.parameters())
    assert weight_bytes(folder, loading, on_gpu=False) == held


@pytest.mark.extras
def test_weights_of_4_bits(folder: Path) -> None:
    loading = Loading(quantization="4bit")
    model, _ = load_model(folder, loading)
    held = sum(p.numel() * p.element_size() for p in model.parameters())  # without the scales
    assert held < weight_bytes(folder, loading, on_gpu=False) < 1.05 * held


@pytest.mark.parametrize("architecture", ["qwen2", "llama", "gpt2"])
def test_the_shape_is_that_of_the_config(tmp_path: Path, architecture: str) -> None:
    path = make_tiny_model(tmp_path / "m", architecture, width=64, layers=3)
    config = AutoConfig.from_pretrained(path)
    shape = shape_of(json.loads((path / "config.json").read_text()))
    assert (shape.blocks, shape.width, shape.vocabulary) == (3, 64, config.vocab_size)
    assert shape.kv_width == (64 if architecture == "gpt2" else 32)


@pytest.mark.parametrize("rank", [2, 16])
def test_an_adapter_takes_what_peft_makes(folder: Path, rank: int) -> None:
    model = add_adapter(load_model(folder)[0], FinetuningSettings(rank=rank), 0)
    numbers = sum(p.numel() for p in model.parameters() if p.requires_grad)
    shape = shape_of(json.loads((folder / "config.json").read_text()))
    assert adapter_bytes(shape, rank) == 16 * numbers
    assert adapter_bytes(shape, rank, moment_bytes=1) == 10 * numbers


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize(("blocks", "width"), [(4, 256), (8, 512)])
def test_a_row_takes_about_what_is_foretold(
    root: Path, blocks: int, width: int, checkpointing: bool
) -> None:
    """Peaks of fresh processes: small ones hold more that is not the row's."""
    shape = Shape(blocks, width, 3 * width, width, 512)
    command = [sys.executable, "-c", PEAK, str(blocks), str(width), str(checkpointing)]
    environment = {"PYTHONPATH": str(root / "workflow_scripts"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    # The adapter's gradients are made in the pass, too: a quarter of what it takes in all.
    foretold = row_bytes(shape, 512, 4, checkpointing) + adapter_bytes(shape, 32) / 4
    assert int(done.stdout) < 1.2 * foretold + 40e6
    assert int(done.stdout) > 0.4 * foretold


def test_too_large_a_model_is_refused_with_the_numbers(folder: Path) -> None:
    needed = weight_bytes(folder, Loading(), on_gpu=False)
    assert refuse_too_large(folder, Loading(), False, needed) == needed
    with pytest.raises(UserError) as caught:
        refuse_too_large(folder, Loading(), False, needed - 1)
    assert str(caught.value).startswith(f"{folder}: the weights take 0.0 GB, this machine has 0.0")
    assert "set model.dtype: bfloat16" in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=r"2 GPU\(s\) .* set model.quantization: 4bit, or give"):
        refuse_too_large(folder, Loading(dtype="bfloat16", gpus=2), True, 1)


def test_broken_weights_are_named(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(UserError, match="weights cannot be read"):
        weight_bytes(tmp_path, Loading(), on_gpu=False)


def test_a_gpu_is_filled_and_no_more() -> None:
    """By hand: 40 GB free, bfloat16, four budgets in the cache of 28 x 2 x 512 numbers a token."""
    tokens = sampling_tokens(QWEN_7B, 40 * GB, 2, 4)
    a_token = 2 * (4 * 2 * 28 * 512 + 8 * 3584 + 3 * 18944)
    assert tokens == int(0.6 * 40 * GB / a_token // 1024 * 1024)
    assert sampling_tokens(QWEN_7B, -1, 2, 4) == LEAST_TOKENS
    assert sampling_tokens(QWEN_7B, 900 * GB, 2, 4) == MOST_TOKENS
