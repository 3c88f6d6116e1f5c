"""Merged chains against stacking by hand: W + scale * B A, adapter after adapter."""

import json

import pytest
import torch
from safetensors.torch import load_file

from selfsame.errors import UserError
from selfsame.models.adapter_files import check_adapter_dir
from selfsame.models.chain import load_state
from selfsame.models.load import load_model
from tiny_models import make_tiny_model
from trained_chains import train_chain

IDS = torch.tensor([[4, 20, 30, 40, 50]])


def add_by_hand(model, adapter):
    """W + scale * B A, with the scale from adapter_config.json; GPT-2 keeps W transposed."""
    config = json.loads((adapter / "adapter_config.json").read_text())
    rank = config["r"] ** 0.5 if config["use_rslora"] else config["r"]
    weights = load_file(adapter / "adapter_model.safetensors")
    parameters = dict(model.named_parameters())
    for name in [key for key in weights if ".lora_A." in key]:
        delta = weights[name.replace("lora_A", "lora_B")] @ weights[name]
        target = name.removeprefix("base_model.model.").replace("lora_A.weight", "weight")
        change = delta.T if config["fan_in_fan_out"] else delta
        parameters[target].data += config["lora_alpha"] / rank * change


@pytest.mark.parametrize("architecture", ["qwen2", "llama", "gpt2"])
def test_merged_chain_equals_stacking_by_hand(tmp_path, architecture):
    base = make_tiny_model(tmp_path / "base", architecture)
    adapters = train_chain(base, tmp_path)
    state, _ = load_state(base, adapters)
    expected, _ = load_model(base)
    untouched = expected(IDS).logits
    for adapter in adapters:
        add_by_hand(expected, adapter)
    with torch.no_grad():
        torch.testing.assert_close(state(IDS).logits, expected(IDS).logits, atol=1e-4, rtol=1e-4)
    assert (state(IDS).logits - untouched).abs().max() > 0.01
    assert not any("lora" in name for name, _ in state.named_parameters())


def test_the_empty_chain_is_the_base(tmp_path):
    base = make_tiny_model(tmp_path / "base")
    state, _ = load_state(base)
    assert torch.equal(state(IDS).logits, load_model(base)[0](IDS).logits)


def test_pickled_adapters_are_refused(tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    (tmp_path / "adapter_model.bin").write_bytes(b"not even read")
    with pytest.raises(UserError, match=r"adapter_model\.safetensors"):
        check_adapter_dir(tmp_path)
