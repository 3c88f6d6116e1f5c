"""A state: the base model with its chain of adapters merged in memory, never saved merged."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from peft import PeftModel

from selfsame.errors import UserError
from selfsame.models.load import load_model
from selfsame.models.settings import AS_FLOAT32, Loading

ADAPTER_WEIGHTS = "adapter_model.safetensors"
ADAPTER_CONFIG = "adapter_config.json"


def load_state(
    base: Path, adapters: Sequence[Path] = (), loading: Loading = AS_FLOAT32, threads: int = 1
) -> tuple[Any, Any]:
    """Load (model, tokenizer) of a state: W + sum of scale * B A, merged in the chain's order.

    Weights of 4 bits stay as they are: the adapters then act beside them.

    Args:
        base: directory of the base model.
        adapters: adapter directories, the chain's first stage first; each was trained on the
            base with all those before it in place, loaded in the same way.
    """
    for adapter in adapters:
        check_adapter_dir(adapter)
    model, tokenizer = load_model(base, loading, threads)
    if loading.quantization != "none" and adapters:
        return put_beside(model, adapters).get_base_model().eval(), tokenizer
    for adapter in adapters:
        model = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    return model.eval(), tokenizer


def put_beside(model: Any, adapters: Sequence[Path]) -> PeftModel:
    """PEFT's model with adapters acting beside the weights, the chain's first stage first."""
    names = [f"stage{place}" for place in range(len(adapters))]
    adapted = PeftModel.from_pretrained(model, str(adapters[0]), adapter_name=names[0])
    for name, adapter in zip(names[1:], adapters[1:], strict=True):
        adapted.load_adapter(str(adapter), adapter_name=name)
    adapted.base_model.set_adapter(names)
    return adapted.requires_grad_(False)


def check_adapter_dir(path: Path) -> None:
    """Raise UserError unless the adapter's weights lie there as safetensors (never pickle)."""
    for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
        if not (path / name).is_file():
            raise UserError(f"{path}: no {name}; an adapter directory as PEFT saves it is needed")
