"""LoRA adapters from settings: which modules they sit on, and their seeded start."""

import difflib
from collections.abc import Sequence
from typing import Any

import torch
from peft import LoraConfig, PeftModel, TaskType, get_peft_model
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn
from transformers.pytorch_utils import Conv1D

from selfsame.errors import UserError
from selfsame.training.settings import FinetuningSettings

FRESH = "default"  # what PEFT calls an adapter that is not named


def add_adapter(model: Any, settings: FinetuningSettings, seed: int) -> PeftModel:
    """Put a fresh, seeded adapter on the model and freeze everything else.

    Adapters that act beside the weights already go on acting.

    Seeds torch's generators: training continues from that state. The adapter is float32
    whatever the dtype of the model.

    Raises:
        UserError: a module or layer of the settings does not exist in the model.
    """
    config = lora_config(model, settings)
    parents = active_adapters(model)
    torch.manual_seed(seed)
    adapted = get_peft_model(model, config)
    if parents:
        _go_on_acting(adapted, parents)
    return adapted


def active_adapters(model: Any) -> list[str]:
    """The names of the adapters that act beside a model's weights."""
    layers = (module for module in model.modules() if isinstance(module, BaseTunerLayer))
    return list(dict.fromkeys(name for layer in layers for name in layer.active_adapters))


def _go_on_acting(adapted: PeftModel, parents: Sequence[str]) -> None:
    """Switch the parents on again beside the fresh adapter, which alone is trained."""
    for layer in adapted.modules():
        if isinstance(layer, BaseTunerLayer):
            layer.set_adapter([*parents, FRESH])
    for name, parameter in adapted.named_parameters():
        parameter.requires_grad_(f".{FRESH}." in name)


def lora_config(model: Any, settings: FinetuningSettings) -> LoraConfig:
    """Return PEFT's settings, with the modules' names checked against the model."""
    names = _module_names(model, settings)
    return LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        use_rslora=settings.rslora,
        lora_dropout=settings.dropout,
        target_modules=names,
        layers_to_transform=_layers(model, settings),
        fan_in_fan_out=_are_transposed(model, names),
        bias="none",
        task_type=TaskType.CAUSAL_LM,
    )


def linear_modules(model: Any) -> dict[str, nn.Module]:
    """Return the adaptable modules by full name: linear layers other than the output head."""
    head = model.get_output_embeddings()
    adapted = {n: m for n, m in model.named_modules() if isinstance(m, BaseTunerLayer)}
    within = tuple(f"{name}." for name in adapted)
    plain = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | Conv1D)
        and module is not head
        and not name.startswith(within or "\n")
    }
    return plain | {name: layer.get_base_layer() for name, layer in adapted.items()}


def _matches(full_name: str, name: str) -> bool:
    return full_name == name or full_name.endswith(f".{name}")


def _module_names(model: Any, settings: FinetuningSettings) -> list[str]:
    """Return the sorted names to adapt: sorted, so that equal settings save equal files."""
    modules = linear_modules(model)
    available = sorted({name.rpartition(".")[2] for name in modules})
    if settings.modules == "all-linear":
        return available
    for name in settings.modules:
        if not any(_matches(full_name, name) for full_name in modules):
            near = difflib.get_close_matches(name, available, n=1, cutoff=0.0)
            raise UserError(
                f"finetuning.modules: the model has no linear module {name!r}; "
                f"did you mean {near[0]!r}? It has {', '.join(available)}"
            )
    return sorted(settings.modules)


def _layers(model: Any, settings: FinetuningSettings) -> list[int] | None:
    count = model.config.get_text_config().num_hidden_layers
    for layer in settings.layers or ():
        if layer >= count:
            raise UserError(
                f"finetuning.layers: the model has no layer {layer}; it has 0 to {count - 1}"
            )
    return None if settings.layers is None else sorted(settings.layers)


def _are_transposed(model: Any, names: list[str]) -> bool:
    """True where the chosen modules store their weight as (in, out), as GPT-2's do."""
    modules = linear_modules(model).items()
    chosen = [module for full, module in modules if any(_matches(full, name) for name in names)]
    return all(isinstance(module, Conv1D) for module in chosen)
