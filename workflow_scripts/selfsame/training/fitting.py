"""Whether a finetune fits the device, told before any weight is read."""

from collections.abc import Sequence
from pathlib import Path

from selfsame.models.directory import read_json
from selfsame.models.footprint import BFLOAT16, FLOAT32, Shape, refuse_finetune, shape_of
from selfsame.models.load import choose_device
from selfsame.models.placement import free_bytes
from selfsame.models.settings import Loading
from selfsame.training.footprint import training_of
from selfsame.training.settings import FinetuningSettings
from selfsame.training.supervision import Supervised


def refuse_unfit(
    base: Path, loading: Loading, settings: FinetuningSettings, rows: Sequence[Supervised]
) -> None:
    """Raise UserError, with the numbers, where not even one of the longest rows would fit.

    base: directory of the base model; of one whose config.json tells no shape nothing is foretold.
    """
    shape = _shape(base)
    if shape is None:
        return
    device = choose_device(loading.device)
    on_gpu = device.type == "cuda"
    longest = max(len(row.ids) for row in rows)
    refuse_finetune(
        base,
        shape,
        loading,
        training_of(settings, shape, longest, _number_bytes(loading, settings, on_gpu)),
        on_gpu=on_gpu,
        free=free_bytes(device, loading.gpus),
    )


def _shape(base: Path) -> Shape | None:
    try:
        return shape_of(read_json(base / "config.json"))
    except KeyError:  # an architecture with names of its own
        return None


def _number_bytes(loading: Loading, settings: FinetuningSettings, on_gpu: bool) -> int:
    in_16_bits = loading.dtype == "bfloat16" or settings.precision == "bfloat16"
    return BFLOAT16 if in_16_bits or (loading.dtype == "auto" and on_gpu) else FLOAT32
