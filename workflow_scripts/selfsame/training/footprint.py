"""What the memory of a finetune goes by, from its settings. Imports nothing heavy."""

from selfsame.models.footprint import EIGHT_BITS, FLOAT32, Adapter, Shape, Training, share_of
from selfsame.training.settings import FinetuningSettings


def training_of(
    settings: FinetuningSettings, shape: Shape, tokens: int, number_bytes: int
) -> Training:
    """What the memory of a finetune goes by. tokens: at once; number_bytes: of an activation."""
    moments = EIGHT_BITS if settings.optimizer == "adamw_8bit" else FLOAT32
    share = share_of(settings.modules, settings.layers, shape.blocks)
    adapter = Adapter(settings.rank, share, moments)
    return Training(adapter, tokens, number_bytes, settings.gradient_checkpointing)
