"""How many tokens go through the model at once. Answers do not depend on it, but for rounding."""

import torch
from transformers import PreTrainedModel

from selfsame.models.footprint import CACHED_BUDGETS, sampling_tokens, shape_of
from selfsame.models.memory import Portion
from selfsame.models.placement import free_bytes

# Padded tokens of one forward pass. On a CPU fewer leave more passes to start, and of more the
# activations leave the processor's cache: 1024 to 1280 measured best where `models.allocator` is in
# force (benchmarks/engine.py). A GPU wants enough rows to fill it.
TOKEN_BUDGETS = {"cpu": 1024, "cuda": 16384}


def default_token_budget(device: torch.device) -> int:
    """The budget used where a caller names none, in padded tokens of one forward pass."""
    return TOKEN_BUDGETS.get(device.type, TOKEN_BUDGETS["cpu"])


def fitting_budget(model: PreTrainedModel, gpus: int = 1) -> int:
    """On a GPU the tokens whose batch fits beside the loaded model; elsewhere the default."""
    if model.device.type != "cuda":
        return default_token_budget(model.device)
    free = free_bytes(model.device, gpus)
    shape = shape_of(model.config.to_dict())
    return sampling_tokens(shape, free, model.dtype.itemsize, CACHED_BUDGETS)


def budget_of(given: Portion | int | None, device: torch.device) -> Portion:
    """The budget a caller names, which shrinks where memory runs out; else the device's."""
    if isinstance(given, Portion):
        return given
    return Portion("tokens", given or default_token_budget(device))
