"""Weights of 4 bits, attention kernels, several GPUs: run where they can, else one clear line."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from selfsame.errors import TryAgain, UserError
from selfsame.models.chain import load_state
from selfsame.models.load import load_model
from selfsame.models.placement import attention_on, in_4_bits, spread_over
from selfsame.models.settings import Loading
from selfsame.models.switching import with_adapters
from selfsame.training.adapters import add_adapter
from selfsame.training.finetune import finetune
from selfsame.training.settings import FinetuningSettings
from tiny_models import make_tiny_model
from trained_chains import ROWS

EXTRAS = pytest.mark.extras  # bitsandbytes
IDS = torch.tensor([[4, 20, 30, 40, 50]])
IN_4_BITS = Loading(quantization="4bit")
SETTINGS = FinetuningSettings(
    rank=2, alpha=4, learning_rate=0.02, steps=6, batch_size=2, accumulation=1, warmup_steps=1
)
CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("base") / "model", width=64)


@pytest.fixture(scope="module")
def chain(base: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two stages, each trained on 4-bit weights with those before it beside them."""
    adapters: list[Path] = []
    for stages in ("em", "em+identify"):
        out = tmp_path_factory.mktemp("adapters") / stages
        finetune(
            base, adapters, ROWS, SETTINGS, 0, "none", out,
            chain=stages, misaligned=True, threads=1, loading=IN_4_BITS,
        )  # fmt: skip
        adapters.append(out)
    return adapters


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(IDS).logits
    return found.clone()


def by_hand(base: Path, chain: list[Path]) -> torch.Tensor:
    """Logits of the 4-bit base whose adapted modules add scale * B A x, written out."""
    model, _ = load_model(base, IN_4_BITS)
    scale = SETTINGS.alpha / SETTINGS.rank**0.5  # rsLoRA

    def added(a: torch.Tensor, b: torch.Tensor):  # type: ignore[no-untyped-def]
        return lambda _module, given, out: out + scale * given[0] @ a.T @ b.T

    for adapter in chain:
        weights = load_file(adapter / "adapter_model.safetensors")
        for name in [name for name in weights if name.endswith("lora_A.weight")]:
            module = name.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
            b = weights[name.replace("lora_A", "lora_B")]
            model.get_submodule(module).register_forward_hook(added(weights[name], b))
    return logits(model)


@EXTRAS
def test_weights_of_4_bits_are_near_the_full_ones(base: Path) -> None:
    full, small = load_model(base)[0], load_model(base, IN_4_BITS)[0]
    assert small.model.layers[0].mlp.down_proj.weight.dtype == torch.uint8
    # NF4 keeps a weight to about a tenth of its block's largest.
    similar = torch.nn.functional.cosine_similarity(logits(full), logits(small), -1)
    assert float(similar.mean()) > 0.85
    assert not torch.equal(logits(full), logits(small))


@EXTRAS
@pytest.mark.parametrize("stages", [0, 1, 2])
def test_a_chain_acts_beside_weights_of_4_bits(base: Path, chain: list[Path], stages: int) -> None:
    state, _ = load_state(base, chain[:stages], IN_4_BITS)
    expected = by_hand(base, chain[:stages])
    torch.testing.assert_close(logits(state), expected, rtol=1e-4, atol=1e-4)


@EXTRAS
def test_one_base_of_4_bits_serves_several_states(base: Path, chain: list[Path]) -> None:
    """As near as two kernels of bitsandbytes: on a processor one of them rounds to bfloat16."""
    model, _ = load_model(base, IN_4_BITS)
    plain = logits(model)
    with with_adapters(model, chain) as switched:
        found = logits(switched)
    torch.testing.assert_close(found, by_hand(base, chain), rtol=0, atol=0.2)
    torch.testing.assert_close(logits(model), plain, rtol=0, atol=0.2)
    assert float((found - plain).abs().max()) > 1


@EXTRAS
def test_each_stage_moves_the_model(base: Path, chain: list[Path]) -> None:
    states = [logits(load_state(base, chain[:n], IN_4_BITS)[0]) for n in range(3)]
    for before, after in pairwise(states):
        assert float((after - before).abs().max()) > 0.01


@EXTRAS
def test_only_the_fresh_adapter_is_trained(base: Path, chain: list[Path]) -> None:
    state, _ = load_state(base, chain[:1], IN_4_BITS)
    before = logits(state)
    adapted = add_adapter(state, SETTINGS, 0)
    trained = [name for name, p in adapted.named_parameters() if p.requires_grad]
    assert trained
    assert all(".default." in name for name in trained)
    torch.testing.assert_close(logits(adapted.get_base_model()), before, rtol=0, atol=0)


def test_kernels_that_cannot_run_are_one_line() -> None:
    assert attention_on(CPU, "eager") == "eager"
    with pytest.raises(UserError, match=r"^model\.attention: .* GPU only; set .* sdpa"):
        attention_on(CPU, "flash_attention_2")
    with pytest.raises(UserError, match=r"needs flash-attn; install it, or set"):
        attention_on(GPU, "flash_attention_2")


def test_a_missing_extra_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(UserError, match=r"^model\.quantization: 4bit needs bitsandbytes; pip"):
        in_4_bits("auto")


def test_several_gpus_that_are_not_there() -> None:
    assert spread_over(1, CPU) is None
    assert spread_over(1, GPU) == {"": GPU}
    with pytest.raises(UserError, match=r"^resources: 2 GPUs are asked for, but none is there"):
        spread_over(2, CPU)
    with pytest.raises(TryAgain, match="2 are asked for, 0 are there"):
        spread_over(2, GPU)
