"""Memory told from a model's files, against loaded models, PEFT's adapters and measured peaks."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import AutoConfig

from selfsame.errors import UserError
from selfsame.models.footprint import (
    LEAST_TAKEN,
    LEAST_TOKENS,
    MOST_TOKENS,
    Adapter,
    Shape,
    Training,
    adapter_bytes,
    finetuning_bytes,
    refuse_finetune,
    refuse_too_large,
    row_bytes,
    sampling_tokens,
    shape_of,
    share_of,
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
    assert adapter_bytes(shape, Adapter(rank)) == 16 * numbers
    assert adapter_bytes(shape, Adapter(rank, moment_bytes=1)) == 10 * numbers


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
    foretold = row_bytes(shape, 512, 4, checkpointing) + adapter_bytes(shape, Adapter(32)) / 4
    assert int(done.stdout) < 1.2 * foretold + 40e6
    assert int(done.stdout) > LEAST_TAKEN * foretold


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


def training(
    tokens: int = 870, *, eight_bits: bool = False, checkpointing: bool = False
) -> Training:
    return Training(Adapter(32, moment_bytes=1 if eight_bits else 4), tokens, 2, checkpointing)


def test_a_finetune_takes_weights_adapter_and_activations_by_hand() -> None:
    """Qwen2.5-7B, rank 32: 80.7 million numbers; in 16 bits half of 225 bytes a unit of width."""
    numbers = 28 * 32 * (2 * 7168 + 2 * (3584 + 512) + 3 * (3584 + 18944))
    assert numbers == 80_740_352
    plain = finetuning_bytes(QWEN_7B, 15 * GB, training())
    assert (plain.weights, plain.adapter) == (15 * GB, 16 * numbers)
    assert plain.activations == 870 * 28 * 3584 * 112.5
    assert plain.total == plain.weights + plain.adapter + plain.activations
    small = finetuning_bytes(QWEN_7B, 15 * GB, training(eight_bits=True, checkpointing=True))
    assert small.adapter == 10 * numbers
    assert small.activations == 870 * 3584 * (28 * 2 + 3 * 112.5)
    assert small.least == small.weights + small.adapter + 0.4 * small.activations


def test_an_adapter_on_some_modules_of_some_blocks_takes_its_share() -> None:
    assert share_of("all-linear", None, 28) == 1
    assert share_of(("down_proj",), (3,), 28) == pytest.approx(1 / 7 / 28)
    some = Adapter(32, share_of(("q_proj", "v_proj"), range(14), 28))
    assert adapter_bytes(QWEN_7B, some) == pytest.approx(adapter_bytes(QWEN_7B, Adapter(32)) / 7)


def test_a_finetune_that_cannot_fit_is_refused_with_the_numbers(folder: Path) -> None:
    shape = Shape(blocks=1000, width=8192, inner=28672, kv_width=1024, vocabulary=1000)
    given = (folder, shape, Loading(gpus=2), training())
    least = finetuning_bytes(shape, weight_bytes(folder, Loading(), on_gpu=True), training()).least
    assert refuse_finetune(*given, on_gpu=True, free=least).least == least
    with pytest.raises(UserError) as caught:
        refuse_finetune(*given, on_gpu=True, free=least - 1)
    said = str(caught.value)
    adapter = 16 * 1000 * 32 * (2 * 16384 + 2 * 9216 + 3 * 36864) / GB
    activations = 0.4 * 870 * 1000 * 8192 * 112.5 / GB
    assert said.startswith(
        f"{folder}: a finetune takes at least {least / GB:.1f} GB (weights 0.0, an adapter of rank"
        f" 32 with its gradients and moments {adapter:.1f}, activations of a row of 870 tokens"
        f" {activations:.1f}), 2 GPU(s) has {least / GB:.1f} GB free; set"
        " finetuning.gradient_checkpointing: true, or optimizer: adamw_8bit, or lower"
    )
    assert "\n" not in said
    # With checkpoints it fits in the same room, and is told what is left to do where it does not.
    thrifty = training(eight_bits=True, checkpointing=True)
    refuse_finetune(folder, shape, Loading(), thrifty, on_gpu=True, free=least)
    with pytest.raises(UserError, match=r"free; lower finetuning.rank or max_length, or "):
        refuse_finetune(folder, shape, Loading(), thrifty, on_gpu=True, free=1)


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
