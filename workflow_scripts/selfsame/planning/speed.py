"""How long a GPU takes over so many tokens, by formula: estimates from size, never measured.

A token that is read costs 2 N operations, N being the model's parameters; one that a LoRA on
frozen weights is trained on 4 N (forward, and the backward pass to the inputs), with gradient
checkpointing 6 N, as the forward pass is done twice (Kaplan et al., arXiv 2001.08361, section 2.1;
attention over the context, which is small beside it, is left out). While a batch writes, each of
its steps reads all weights and the batch's keys and values once, or computes (Pope et al., arXiv
2211.05102, section 2), or waits for its kernels to be launched, whichever takes longest. The GPUs
of one job work one after the other, so more of them hold more and are no faster.
"""

import math
from dataclasses import dataclass

from selfsame.config.planning import DeviceSettings
from selfsame.models.footprint import CACHED_BUDGETS, Shape, sampling_tokens

READ, TRAINED, RECOMPUTED = 2, 4, 2
TERA, GB = 1e12, 1e9


@dataclass(frozen=True)
class Sized:
    """A model by its size. number_bytes: of one of its weights as it is loaded."""

    parameters: float
    shape: Shape
    number_bytes: float
    stored_bytes: float

    @property
    def weight_bytes(self) -> float:
        """Of all weights in the GPU's memory."""
        return self.parameters * self.number_bytes

    @property
    def cached_bytes(self) -> float:
        """Of one token's keys and values, in 16 bits."""
        return 2 * 2 * self.shape.blocks * self.shape.kv_width


@dataclass(frozen=True)
class Written:
    """So many answers of so many tokens, each behind a prompt of so many."""

    answers: float
    prompt: float
    tokens: float


def reading_seconds(model: Sized, tokens: float, device: DeviceSettings) -> float:
    """Reading prompts."""
    return _computing(READ * model.parameters * tokens, device)


def training_seconds(
    model: Sized, tokens: float, device: DeviceSettings, *, checkpointing: bool
) -> float:
    """Training a LoRA on frozen weights."""
    operations = TRAINED + RECOMPUTED * checkpointing
    return _computing(operations * model.parameters * tokens, device)


def writing_seconds(model: Sized, written: Written, device: DeviceSettings, gpus: int) -> float:
    """Writing answers, beside reading their prompts."""
    if not written.answers:
        return 0.0
    rows = min(batch_rows(model, written, device, gpus), written.answers)
    batches = math.ceil(written.answers / rows)
    context = written.prompt + written.tokens / 2
    moved = model.weight_bytes + rows * context * model.cached_bytes
    step = max(
        moved / (device.bandwidth_gb_s * GB * device.utilisation),
        _computing(READ * model.parameters * rows, device),
        model.shape.blocks * device.launch_ms / 1000,
    )
    return batches * written.tokens * step


def batch_rows(model: Sized, written: Written, device: DeviceSettings, gpus: int) -> int:
    """As many answers at once as the engine would write in the memory beside the weights."""
    free = gpus * device.memory_gb * GB - model.weight_bytes
    tokens = sampling_tokens(model.shape, free, 2, CACHED_BUDGETS)
    return max(1, int(CACHED_BUDGETS * tokens // (written.prompt + written.tokens)))


def loading_seconds(model: Sized, device: DeviceSettings) -> float:
    """Reading the weights from disk."""
    return model.parameters * model.stored_bytes / (device.loading_gb_s * GB)


def _computing(operations: float, device: DeviceSettings) -> float:
    return operations / (device.tflops * TERA * device.utilisation)
