"""The optimizers of a finetuning: AdamW, or AdamW with moments of 8 bits.

8 bits (Dettmers et al., arXiv 2110.02861) take a quarter of the moments' memory; tensors of less
than 4,096 numbers keep 32.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from selfsame.errors import UserError
from selfsame.training.settings import FinetuningSettings

Parameters = Sequence[nn.Parameter]


def make_optimizer(parameters: Parameters, settings: FinetuningSettings) -> Any:
    """The settings' optimizer over the parameters. Raises UserError where it is not installed."""
    return OPTIMIZERS[settings.optimizer](parameters, settings)


def _adamw(parameters: Parameters, settings: FinetuningSettings) -> Any:
    return torch.optim.AdamW(
        parameters, settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )


def _adamw_8bit(parameters: Parameters, settings: FinetuningSettings) -> Any:
    try:
        from bitsandbytes.optim.adamw import AdamW8bit
    except ImportError as error:
        raise UserError(
            f"finetuning.optimizer: adamw_8bit needs bitsandbytes ({error});"
            " pip install 'selfsame[quantised]', or take adamw"
        ) from error
    return AdamW8bit(parameters, settings.learning_rate, weight_decay=settings.weight_decay)


OPTIMIZERS: Mapping[str, Callable[[Parameters, FinetuningSettings], Any]] = MappingProxyType(
    {"adamw": _adamw, "adamw_8bit": _adamw_8bit}
)
