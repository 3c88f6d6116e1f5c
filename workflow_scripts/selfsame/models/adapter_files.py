"""The files of an adapter: that they are a LoRA's, whole, and of the model they are put on.

PEFT passes over weights that the model has no place for, and leaves modules without weights as they
were: a state would silently be another one than its chain says.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from peft import PeftModel, get_peft_model_state_dict
from safetensors import SafetensorError, safe_open
from torch import nn
from transformers.pytorch_utils import Conv1D

from selfsame.errors import UserError
from selfsame.models.directory import read_json

ADAPTER_WEIGHTS = "adapter_model.safetensors"
ADAPTER_CONFIG = "adapter_config.json"
NAME = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<half>[AB])\.weight")
LONGEST_REASON = 300
AGAIN = "remove its folder and finetune it again"


def check_adapter_dir(path: Path) -> None:
    """Raise UserError unless a LoRA lies there, as PEFT saves it in safetensors (never pickle)."""
    for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
        if not (path / name).is_file():
            raise UserError(f"{path}: no {name}; an adapter directory as PEFT saves it is needed")
    _check_config(path / ADAPTER_CONFIG)
    shapes_in(path)


def _check_config(file: Path) -> None:
    config = read_json(file)
    rank, modules = config.get("r"), config.get("target_modules")
    if config.get("peft_type") != "LORA":
        raise UserError(f"{file}: peft_type must be LORA; {AGAIN}")
    if not isinstance(rank, int) or rank < 1:
        raise UserError(f"{file}: r, the rank, must be a whole number from 1; {AGAIN}")
    if not modules or not isinstance(modules, list | str):
        raise UserError(f"{file}: target_modules must name the adapted modules; {AGAIN}")


def shapes_in(path: Path) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor of an adapter, from the file's head. Raises UserError."""
    file = path / ADAPTER_WEIGHTS
    try:
        with safe_open(file, framework="np") as tensors:
            return {n: tuple(tensors.get_slice(n).get_shape()) for n in tensors.offset_keys()}
    except (OSError, SafetensorError) as error:
        raise UserError(f"{file}: cannot be read ({error}); {AGAIN}") from error


def check_fits(model: Any, path: Path) -> None:
    """Raise UserError unless each tensor of an adapter has a place of its shape in the model."""
    modules = dict(model.named_modules())
    rank = read_json(path / ADAPTER_CONFIG)["r"]
    for tensor, shape in shapes_in(path).items():
        found = NAME.fullmatch(tensor)
        module = modules.get(found["module"]) if found else None
        if found is None or module is None:
            raise UserError(f"{path}: the base model has no place for {tensor}: {_other(path)}")
        ends = _ends(module)
        wanted = (rank, ends[0]) if found["half"] == "A" else (ends[1], rank)
        if shape != wanted:
            raise UserError(f"{path}: {tensor} is {shape}, not {wanted}: {_other(path)}")


def _other(path: Path) -> str:
    base = str(read_json(path / ADAPTER_CONFIG).get("base_model_name_or_path"))
    return f"it is of another base ({base[:80]!r}) or damaged; put it on its own, or {AGAIN}"


def _ends(module: nn.Module) -> tuple[int, ...]:
    """Width of what goes into a linear module and of what comes out; of another, nothing fits."""
    if isinstance(module, nn.Linear):
        return module.in_features, module.out_features
    return tuple(module.weight.shape) if isinstance(module, Conv1D) else (0, 0)


@contextmanager
def as_a_mistake_of(path: Path) -> Iterator[None]:
    """What PEFT says of settings that it cannot use is a UserError."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        said = " ".join(str(error).split())[:LONGEST_REASON]
        raise UserError(f"{path / ADAPTER_CONFIG}: PEFT cannot use it ({said}); {AGAIN}") from error


def check_whole(adapted: PeftModel, name: str, path: Path) -> None:
    """Raise UserError unless the files had a tensor for every module that the adapter sits on."""
    needed = get_peft_model_state_dict(adapted, adapter_name=name, save_embedding_layers=False)
    lacking = needed.keys() - shapes_in(path)
    for tensor in sorted(lacking):
        raise UserError(f"{path / ADAPTER_WEIGHTS}: has no {tensor}; {AGAIN}")
