"""Steering: add a multiple of a direction to the residual stream that leaves one block.

The layer is that of `models.blocks`: steering at layer l moves what `sampling.hidden` reads there
by exactly alpha * vector.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from selfsame.errors import UserError
from selfsame.models.blocks import residual_blocks


@dataclass(frozen=True)
class Steering:
    """Add `alpha` times `vector` [width] to what block `layer` puts out.

    everywhere: at all positions, the prompt's included, rather than where the answer is predicted.
    """

    layer: int
    vector: torch.Tensor
    alpha: float
    everywhere: bool = False


@contextmanager
def steered(
    model: Any, steering: Steering | None, columns: torch.Tensor | None = None
) -> Iterator[None]:
    """Steer every forward pass in here; None steers nothing.

    columns: one position of each row [rows] at which to add; None: at all positions.
    Raises UserError for a layer or a width that the model does not have, and RuntimeError where the
    block never ran: a steering that does nothing must not pass for one.
    """
    if steering is None:
        yield
        return
    block = _block(model, steering)
    fired = False

    def add(_: torch.nn.Module, __: tuple[Any, ...], output: torch.Tensor) -> torch.Tensor:
        nonlocal fired
        fired = True
        push = (steering.alpha * steering.vector).to(output.device, output.dtype)
        if columns is None:
            return output + push
        moved = output.clone()
        moved[torch.arange(len(columns), device=output.device), columns] += push
        return moved

    handle = block.register_forward_hook(add)
    try:
        yield
    finally:
        handle.remove()
    if not fired:
        raise RuntimeError(f"steering at layer {steering.layer} never took effect: no block ran")


def _block(model: Any, steering: Steering) -> torch.nn.Module:
    blocks = residual_blocks(model)
    if not 0 <= steering.layer < len(blocks):
        raise UserError(
            f"steering at layer {steering.layer}: the model has layers 0 to {len(blocks) - 1}"
        )
    width = model.config.hidden_size
    if tuple(steering.vector.shape) != (width,):
        raise UserError(
            f"steering by a vector of shape {tuple(steering.vector.shape)}: the model's width is"
            f" {width}, extract the vector from this model"
        )
    return blocks[steering.layer]
