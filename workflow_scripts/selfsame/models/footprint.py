"""How much memory a model takes, told from its files before any weight is read. No torch.

A model that cannot fit, or whose finetune cannot, is refused with the numbers; on a GPU the tokens
of a forward pass are as many as what is left beside the weights can hold.

Sources: an adapted layer of rank r, in x out, has r (in + out) numbers (Hu et al., arXiv
2106.09685); each has a gradient and AdamW's two moments. Keys and values take 2 x blocks x
key-value heads x head size numbers a token. What training keeps of a token is measured.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from selfsame.errors import UserError
from selfsame.models.settings import Loading

INDEX = "model.safetensors.index.json"
WHOLE = "model.safetensors"
# What reading the heads of a checkpoint's files may raise.
UNREADABLE = (OSError, SafetensorError, ValueError, RecursionError)

# Bytes on a processor, in float32, per layer and unit of width. Training keeps a token's
# activations for the backward pass (measured on 31 and 117 million parameters with a LoRA on all
# linear modules: 200 to 225 a token); sampling holds the key-value cache of a whole batch and a
# pass's activations (48,000 to 58,100).
TRAINED_TOKEN_BYTES, SAMPLED_BATCH_BYTES = 225, 60_000

# The least share of what is foretold of activations that runs took (a test holds them to it).
LEAST_TAKEN = 0.4

# With gradient checkpointing a block is computed again beside its gradients: on a processor
# that was measured to take the room of two to three blocks.
RECOMPUTED_BLOCKS = 3

LINEAR_MODULES = 7  # of a block: four of attention, three of the inner layers
FLOAT32, BFLOAT16, EIGHT_BITS = 4, 2, 1
# A number of NF4 with its share of the scales of 64 numbers, which are quantised too (Dettmers et
# al., arXiv 2305.14314, section 3: 0.127 bits a number).
NF4 = (4 + 0.127) / 8

# Of the memory beside the weights, what a batch may fill; the rest is for what is not reckoned.
FILLED = 0.6
LEAST_TOKENS, MOST_TOKENS = 1024, 65_536

# Tokens a batch may hold in its key-value cache, in budgets: each branch copies its prefix there.
# More would save passes over the last tokens, but twice as many measured no faster on a CPU.
CACHED_BUDGETS = 4


@dataclass(frozen=True)
class Shape:
    """What a model's config.json says of its size; key-value heads may be fewer than heads."""

    blocks: int
    width: int
    inner: int
    kv_width: int
    vocabulary: int


def shape_of(config: Mapping[str, Any]) -> Shape:
    """The shape in a config.json, under the names of Llama's kind or of GPT-2's."""
    text = config.get("text_config", config)
    width = text.get("hidden_size") or text["n_embd"]
    heads = text.get("num_attention_heads") or text["n_head"]
    head = text.get("head_dim") or width // heads
    return Shape(
        blocks=text.get("num_hidden_layers") or text["n_layer"],
        width=width,
        inner=text.get("intermediate_size") or text.get("n_inner") or 4 * width,
        kv_width=head * text.get("num_key_value_heads", heads),
        vocabulary=text["vocab_size"],
    )


def weight_files(folder: Path) -> list[Path]:
    """The files of a checkpoint: those that its index names, or the one that holds it whole."""
    if not (folder / INDEX).is_file():
        whole = folder / WHOLE
        return [whole] if whole.is_file() else sorted(folder.glob("*.safetensors"))
    return [folder / name for name in sorted(set(_indexed(folder / INDEX)))]


def _indexed(file: Path) -> list[str]:
    """The files that an index names, which must lie beside it. Raises ValueError or OSError."""
    index = json.loads(file.read_text(encoding="utf-8"))
    names = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(names, dict) or not names:
        raise ValueError(f"{file.name} has no weight_map")
    if not all(isinstance(name, str) and name == Path(name).name for name in names.values()):
        raise ValueError(f"{file.name} names what is no file beside it")
    return list(names.values())


def tensor_shapes(folder: Path) -> Iterator[tuple[str, list[int], str]]:
    """Name, shape and stored type of every tensor, from the files' heads alone.

    Raises one of UNREADABLE where files are missing or broken.
    """
    for file in weight_files(folder):
        with safe_open(file, framework="np") as tensors:
            for name in tensors.offset_keys():
                part = tensors.get_slice(name)
                yield name, part.get_shape(), part.get_dtype()


def weight_bytes(folder: Path, loading: Loading, on_gpu: bool) -> float:
    """Bytes of a model's weights in memory, loaded in this way.

    Raises UserError where the files' heads cannot be read.
    """
    try:
        return sum(
            math.prod(shape) * _bytes_of(name, shape, stored, loading, on_gpu)
            for name, shape, stored in tensor_shapes(folder)
        )
    except UNREADABLE as error:
        raise UserError(f"{folder}: weights cannot be read ({error}); fetch them again") from error


def _bytes_of(name: str, shape: list[int], stored: str, loading: Loading, on_gpu: bool) -> float:
    # bitsandbytes leaves embeddings, the head and what is no matrix as they are.
    matrix = len(shape) == 2 and "embed" not in name and "lm_head" not in name
    if loading.quantization == "4bit" and matrix:
        return NF4
    if loading.dtype == "auto" and on_gpu:
        return FLOAT32 if stored == "F32" else BFLOAT16
    return BFLOAT16 if loading.dtype == "bfloat16" else FLOAT32


def refuse_too_large(folder: Path, loading: Loading, on_gpu: bool, free: float) -> float:
    """The bytes of the weights. Raises UserError where `free` bytes do not hold them."""
    needed = weight_bytes(folder, loading, on_gpu)
    if needed > free:
        raise UserError(
            f"{folder}: the weights take {needed / 1e9:.1f} GB, {_place(loading, on_gpu)} has"
            f" {free / 1e9:.1f} GB free; {_smaller(loading, on_gpu)}"
        )
    return needed


def _smaller(loading: Loading, on_gpu: bool) -> str:
    ways = [
        "set model.dtype: bfloat16" if loading.dtype == "float32" or not on_gpu else "",
        "set model.quantization: 4bit" if loading.quantization == "none" else "",
        "give the job more GPUs (resources.<rule>.gpu)" if on_gpu else "",
        "take a smaller model",
    ]
    return ", or ".join(way for way in ways if way)


@dataclass(frozen=True)
class Adapter:
    """A LoRA. share: of all linear modules of all blocks, those that it sits on."""

    rank: int
    share: float = 1.0
    moment_bytes: int = FLOAT32


def share_of(modules: str | Sequence[str], layers: Sequence[int] | None, blocks: int) -> float:
    """The share of all linear modules that a finetune names, all taken to be of one size."""
    named = LINEAR_MODULES if isinstance(modules, str) else len(modules)
    return named / LINEAR_MODULES * (1 if layers is None else len(layers) / blocks)


def adapter_numbers(shape: Shape, adapter: Adapter) -> float:
    """Numbers of a LoRA."""
    ends = [(shape.width, shape.width)] * 2 + [(shape.width, shape.kv_width)] * 2
    ends += [(shape.width, shape.inner)] * 3
    return adapter.share * shape.blocks * adapter.rank * sum(a + b for a, b in ends)


def adapter_bytes(shape: Shape, adapter: Adapter) -> float:
    """A LoRA in training: weights and gradients in float32, and AdamW's two moments of each."""
    return adapter_numbers(shape, adapter) * (2 * FLOAT32 + 2 * adapter.moment_bytes)


def row_bytes(shape: Shape, tokens: int, number_bytes: int, checkpointing: bool) -> float:
    """What training keeps of rows of so many tokens until their backward pass."""
    of_block = TRAINED_TOKEN_BYTES * number_bytes / FLOAT32 * shape.width
    kept = shape.blocks * shape.width * number_bytes + RECOMPUTED_BLOCKS * of_block
    return tokens * (kept if checkpointing else shape.blocks * of_block)


@dataclass(frozen=True)
class Training:
    """What a finetune's memory goes by, beside the model.

    tokens: of the rows that go through the model at once; number_bytes: of an activation.
    """

    adapter: Adapter
    tokens: int
    number_bytes: int
    checkpointing: bool


@dataclass(frozen=True)
class Needed:
    """Bytes that a finetune takes; activations are an upper bound, of which `least` is sure."""

    weights: float
    adapter: float
    activations: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.weights + self.adapter + self.activations

    @property
    def least(self) -> float:
        """What no run of it was seen to fall below."""
        return self.weights + self.adapter + LEAST_TAKEN * self.activations


def finetuning_bytes(shape: Shape, weights: float, training: Training) -> Needed:
    """What a LoRA finetune on frozen weights of so many bytes takes."""
    tokens, number_bytes = training.tokens, training.number_bytes
    return Needed(
        weights=weights,
        adapter=adapter_bytes(shape, training.adapter),
        activations=row_bytes(shape, tokens, number_bytes, training.checkpointing),
    )


def refuse_finetune(
    folder: Path, shape: Shape, loading: Loading, training: Training, *, on_gpu: bool, free: float
) -> Needed:
    """What the finetune takes. Raises UserError where `free` bytes do not hold the least of it.

    training: of one row, to which a pass shrinks where memory runs out.
    """
    needed = finetuning_bytes(shape, weight_bytes(folder, loading, on_gpu), training)
    if needed.least > free:
        activations = LEAST_TAKEN * needed.activations
        raise UserError(
            f"{folder}: a finetune takes at least {needed.least / 1e9:.1f} GB (weights"
            f" {needed.weights / 1e9:.1f}, an adapter of rank {training.adapter.rank} with its"
            f" gradients and moments {needed.adapter / 1e9:.1f}, activations of a row of"
            f" {training.tokens:,} tokens {activations / 1e9:.1f}), {_place(loading, on_gpu)} has"
            f" {free / 1e9:.1f} GB free; {_less(loading, training, on_gpu)}"
        )
    return needed


def _place(loading: Loading, on_gpu: bool) -> str:
    return f"{max(loading.gpus, 1)} GPU(s)" if on_gpu else "this machine"


def _less(loading: Loading, training: Training, on_gpu: bool) -> str:
    ways = [
        "" if training.checkpointing else "set finetuning.gradient_checkpointing: true",
        "" if training.adapter.moment_bytes == EIGHT_BITS else "optimizer: adamw_8bit",
        "lower finetuning.rank or max_length",
        _smaller(loading, on_gpu),
    ]
    return ", or ".join(way for way in ways if way)


def sampling_tokens(shape: Shape, free: float, number_bytes: int, cached_budgets: int) -> int:
    """Tokens of a forward pass such that its batch fills FILLED of `free` bytes.

    cached_budgets: how many times as many tokens the batch holds in its key-value cache.
    """
    cached = cached_budgets * 2 * shape.blocks * shape.kv_width
    passing = 8 * shape.width + 3 * shape.inner
    tokens = FILLED * max(free, 0) / (number_bytes * (cached + passing))
    return int(min(max(tokens // LEAST_TOKENS, 1) * LEAST_TOKENS, MOST_TOKENS))
