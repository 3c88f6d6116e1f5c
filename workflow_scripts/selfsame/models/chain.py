"""A state: the base model with its chain of adapters merged in memory, never saved merged."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

from selfsame.errors import UserError
from selfsame.models.load import load_model
from selfsame.models.settings import Dtype

ADAPTER_WEIGHTS = "adapter_model.safetensors"
ADAPTER_CONFIG = "adapter_config.json"


def load_state(
    base: Path,
    adapters: Sequence[Path] = (),
    *,
    dtype: Dtype = "float32",
    device: torch.device | None = None,
    threads: int = 1,
    trust_remote_code: bool = False,
) -> tuple[Any, Any]:
    """Load (model, tokenizer) of a state: W + sum of scale * B A, merged in the chain's order.

    Args:
        base: directory of the base model.
        adapters: adapter directories, the chain's first stage first; each was trained on the
            base with all those before it merged, in the same dtype.
    """
    for adapter in adapters:
        check_adapter_dir(adapter)
    model, tokenizer = load_model(base, dtype, device, threads, trust_remote_code)
    for adapter in adapters:
        model = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    return model.eval(), tokenizer


def check_adapter_dir(path: Path) -> None:
    """Raise UserError unless the adapter's weights lie there as safetensors (never pickle)."""
    for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
        if not (path / name).is_file():
            raise UserError(f"{path}: no {name}; an adapter directory as PEFT saves it is needed")
