"""The transformer blocks of a causal language model, and which number is which layer.

Layer l, counted from 0, is the residual stream that leaves block l, before any final norm. What
enters block 0 (the embeddings) is no layer. Transformers' `hidden_states[l + 1]` is layer l, but
for the last one, which it takes after the final norm.
"""

from typing import Any

from torch import nn

from selfsame.errors import UserError


def residual_blocks(model: Any) -> list[nn.Module]:
    """The blocks in order. Raises UserError where they cannot be told."""
    layers = model.config.num_hidden_layers
    found = [
        module
        for module in model.base_model.children()
        if isinstance(module, nn.ModuleList) and len(module) == layers
    ]
    if len(found) != 1:
        raise UserError(
            f"{type(model).__name__}: cannot tell its {layers} blocks, use another model"
        )
    return list(found[0])
