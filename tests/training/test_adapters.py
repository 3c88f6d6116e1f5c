"""Adapters: where they sit, that they start as nothing, and that wrong names are explained."""

import pytest
import torch

from selfsame.errors import UserError
from selfsame.models.load import load_model
from selfsame.training.adapters import add_adapter
from selfsame.training.settings import FinetuningSettings
from tiny_models import make_tiny_model

IDS = torch.tensor([[4, 20, 30, 40, 50]])
LLAMA_MODULES = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


def adapt(base, seed=0, **settings):
    model, _ = load_model(base)
    return add_adapter(model, FinetuningSettings(rank=2, **settings), seed)


def adapted(model):
    """(layer, module) of every adapter, from the parameters' names."""
    names = [n.split(".") for n, _ in model.named_parameters() if "lora_A" in n]
    return {(next(p for p in n if p.isdigit()), n[n.index("lora_A") - 1]) for n in names}


@pytest.fixture(scope="module", params=["qwen2", "llama", "gpt2"])
def base(request, tmp_path_factory):
    return make_tiny_model(tmp_path_factory.mktemp(request.param) / "model", request.param)


def expected_modules(base):
    return {"c_attn", "c_proj", "c_fc"} if "gpt2" in str(base) else LLAMA_MODULES


def test_all_linear_is_every_linear_module_but_the_head(base):
    found = adapted(adapt(base))
    assert found == {(layer, m) for layer in "01" for m in expected_modules(base)}


def test_chosen_module_and_layer(base):
    module = "c_fc" if "gpt2" in str(base) else "down_proj"
    assert adapted(adapt(base, modules=[module], layers=[1])) == {("1", module)}


def test_a_fresh_adapter_changes_nothing_and_alone_can_learn(base):
    model = adapt(base).eval()
    assert torch.equal(model(IDS).logits, load_model(base)[0](IDS).logits)
    assert all(("lora_" in name) == p.requires_grad for name, p in model.named_parameters())


def test_the_start_is_seeded(base):
    first, again, other = (adapt(base, seed=s).state_dict() for s in (3, 3, 4))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_a_wrong_module_gets_the_nearest_name(base):
    wrong, near = ("c_atn", "c_attn") if "gpt2" in str(base) else ("downproj", "down_proj")
    with pytest.raises(UserError, match=f"no linear module '{wrong}'; did you mean '{near}'"):
        adapt(base, modules=[wrong])


def test_a_wrong_layer_gets_the_range(base):
    with pytest.raises(UserError, match="no layer 2; it has 0 to 1"):
        adapt(base, layers=[0, 2])
