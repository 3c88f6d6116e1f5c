"""What the scheduler reserves for a job: threads, memory, run time and GPUs, by the model's size.

`needs(config, work)` is for the first attempt at a job; further ones get a multiple of its memory
and run time (rules/common.smk). The config's `resources` come before what is worked out here.
Nothing in here changes a result, so nothing of it enters a spec.

Sizes come from the safetensors' headers, so that torch is not needed.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType

from selfsame.config import specs
from selfsame.config.chains import finetuned
from selfsame.config.schema import Config, ModelSettings, OrganismModel
from selfsame.judging.settings import LocalJudge
from selfsame.models.footprint import (
    FLOAT32,
    SAMPLED_BATCH_BYTES,
    UNREADABLE,
    Shape,
    finetuning_bytes,
    tensor_shapes,
    weight_files,
)
from selfsame.models.settings import HfModelSettings
from selfsame.organism.documents import vocabulary
from selfsame.organism.settings import OrganismSettings
from selfsame.organism.world import build_world
from selfsame.persona.footprint import Amount, vectors_mb
from selfsame.training.footprint import training_of
from selfsame.training.settings import FinetuningSettings

JUDGE, LIGHT = "judge", "light"

# Of its tokenizer, beside the words (a test counts them; the tokenizer itself loads transformers).
ORGANISM_CONTROL_TOKENS = 6

# What is reserved for a model of which nothing is known: a common size, as most are published.
ASSUMED_PARAMETERS, ASSUMED_BYTES = 8e9, 2.0

# Python with torch, transformers and peft takes 420 MB, and a GPU's driver up to 2.5 GB of the
# host's memory.
LIBRARIES_MB = 3000

# A block of width d has about 12 d^2 parameters, and widths are about 128 times the blocks:
# 12 x 128^2 x blocks^3 parameters in all. From 0.5 to 70 billion that is up to half too much, and
# hardly ever too little.
WIDTH_PER_LAYER, BLOCK_SQUARES = 128, 12
KV_WIDTH, INNER_PER_WIDTH, VOCABULARY = 1024, 8 / 3, 150_000

# Below this size more threads cost more than they save on a processor. A GPU is driven by one
# thread; a second one tokenises and loads.
SMALL_PARAMETERS, CPU_THREADS, GPU_THREADS = 1e8, 4, 2

# Run time grows with the parameters, which every token passes through; a processor is reckoned 20
# times as slow as a GPU. A model that is fetched from the hub comes at 20 MB/s or more.
CPU_SLOWNESS, FETCHED_MB_PER_MINUTE = 20, 1200


@dataclass(frozen=True)
class Size:
    """A model's parameters and the bytes that each takes in its files."""

    parameters: float
    stored_bytes: float
    assumed: bool = False

    @property
    def layers(self) -> float:
        """Blocks of a transformer of usual shape."""
        layers: float = (self.parameters / (BLOCK_SQUARES * WIDTH_PER_LAYER**2)) ** (1 / 3)
        return layers

    @property
    def width(self) -> float:
        """Width of a transformer of usual shape."""
        return WIDTH_PER_LAYER * self.layers

    @property
    def shape(self) -> Shape:
        """That of a transformer of usual shape: of published ones of 7 to 70 billion parameters.

        8 key-value heads of width 128, and three inner matrices that have the numbers of two of
        four times the width.
        """
        width = round(self.width)
        inner, kv_width = round(INNER_PER_WIDTH * self.width), min(KV_WIDTH, width)
        return Shape(max(1, round(self.layers)), width, inner, kv_width, VOCABULARY)

    @property
    def layers_x_width(self) -> float:
        """Blocks times width of a transformer of usual shape."""
        return self.layers * self.width


@dataclass(frozen=True)
class Needs:
    """What one job is given at its first attempt; `runtime` in minutes."""

    threads: int
    mem_mb: int
    runtime: int
    gpu: int


@dataclass(frozen=True)
class _Work:
    """Minutes for a small model, minutes more for each billion of parameters, memory.

    Those that load a model have the minutes on a GPU.
    """

    minutes: int
    per_billion: int = 0
    least_mb: int = 4000
    loads_model: bool = True


WORK: Mapping[str, _Work] = MappingProxyType(
    {
        "base_model": _Work(60, loads_model=False),
        "collect_self_texts": _Work(120, 10),
        "finetune": _Work(240, 20),
        "sample": _Work(120, 10),
        "persona": _Work(120, 10),
        JUDGE: _Work(240, 10),
        "vectors": _Work(60, 2, least_mb=2000, loads_model=False),
        "tables": _Work(60, loads_model=False),
        LIGHT: _Work(30, least_mb=2000, loads_model=False),
    }
)


def needs(config: Config, work: str, model: ModelSettings | None = None) -> Needs:
    """What a job of this kind of work is given, unless the config says otherwise.

    model: the one it loads, if that is not the one under study.
    """
    model = model or config.model
    wanted, size = _wanted(config, work), size_of(model)
    on_gpu = WORK[work].loads_model and isinstance(model, HfModelSettings)
    gpu = wanted.get("gpu", int(on_gpu))
    found = Needs(
        threads=_threads(work, model, size, gpu),
        mem_mb=_memory_mb(config, work, model, gpu),
        runtime=_minutes(work, model, size, gpu),
        gpu=gpu,
    )
    return replace(found, **wanted)


def needs_to_find(config: Config, judge: str) -> Needs:
    """What a job is given that finds a local judge's model."""
    settings = config.judges[judge]
    assert isinstance(settings, LocalJudge)
    return needs(config, "base_model", settings)


def needs_to_ask(config: Config, judge: str) -> Needs:
    """What a job is given that asks this judge: a model here, or a server, which takes its time."""
    settings = config.judges[judge]
    if isinstance(settings, LocalJudge):
        return needs(config, JUDGE, settings)
    waiting = Needs(threads=1, mem_mb=WORK[LIGHT].least_mb, runtime=WORK[JUDGE].minutes, gpu=0)
    return replace(waiting, **{**_wanted(config, JUDGE), "gpu": 0})


def _wanted(config: Config, work: str) -> dict[str, int]:
    given = config.resources.get(work)
    return given.model_dump(exclude_none=True) if given else {}


def _threads(work: str, model: ModelSettings, size: Size, gpu: int) -> int:
    if not WORK[work].loads_model:
        # The organism is trained by one worker a thread.
        return 2 if work == "base_model" and isinstance(model, OrganismModel) else 1
    if gpu:
        return GPU_THREADS
    return 1 if size.parameters < SMALL_PARAMETERS else CPU_THREADS


def _memory_mb(config: Config, work: str, model: ModelSettings, gpu: int) -> int:
    """Libraries, weights, and on a processor what the work itself holds."""
    size = size_of(model)
    if work == "vectors":
        return max(WORK[work].least_mb, round(_vectors_mb(config, size)))
    if not WORK[work].loads_model:
        return WORK[work].least_mb
    # On their way to a GPU the files pass through the host's memory.
    held = size.parameters * (size.stored_bytes if gpu else _weight_bytes(model))
    if not gpu:
        held += _held_by_work(config, work, size)
    return max(WORK[work].least_mb, round(LIBRARIES_MB + held / 1e6))


def _vectors_mb(config: Config, size: Size) -> float:
    """What the vectors and measures take, all rollouts kept."""
    if config.persona is None:
        return 0
    traits = specs.traits(config).values()
    rollouts = [
        (len(trait.positive) + len(trait.negative)) * len(trait.extraction_questions)
        for trait in traits
    ]
    amount = Amount(
        traits=len(rollouts),
        rollouts=max(rollouts) * config.persona.extraction.rollouts,
        states=len(finetuned(config)) * len(config.seeds),
        draws=config.persona.nulls.draws,
    )
    return vectors_mb(size.layers, size.width, amount)


def _weight_bytes(model: ModelSettings) -> int:
    """Of one weight on a processor, where `auto` means float32."""
    return 2 if isinstance(model, HfModelSettings) and model.dtype == "bfloat16" else 4


def _held_by_work(config: Config, work: str, size: Size) -> float:
    """Bytes beside the weights: of the largest finetune's longest batch, or of sampling."""
    if work != "finetune":
        return size.layers_x_width * SAMPLED_BATCH_BYTES
    return max((_trained(s.finetuning, size.shape) for s in config.stages.values()), default=0)


def _trained(finetuning: FinetuningSettings, shape: Shape) -> float:
    tokens = finetuning.batch_size * finetuning.max_length
    return finetuning_bytes(shape, 0, training_of(finetuning, shape, tokens, FLOAT32)).total


def _minutes(work: str, model: ModelSettings, size: Size, gpu: int) -> int:
    kind = WORK[work]
    billions = size.parameters / 1e9
    slowness = CPU_SLOWNESS if kind.loads_model and not gpu else 1
    grown = kind.minutes + kind.per_billion * billions * slowness
    if work == "base_model" and isinstance(model, HfModelSettings):
        grown += size.parameters * size.stored_bytes / 1e6 / FETCHED_MB_PER_MINUTE
    return int(grown)


@cache
def size_of(model: ModelSettings) -> Size:
    """The model's size: of an organism by its shape, of another as given or counted, or assumed."""
    if isinstance(model, OrganismModel):
        return Size(organism_parameters(model), 4.0)
    if model.parameters is not None:
        return Size(model.parameters, ASSUMED_BYTES)
    folder = _folder(model)
    counted = _counted(folder) if folder else None
    return counted or Size(ASSUMED_PARAMETERS, ASSUMED_BYTES, assumed=True)


def assumption(config: Config) -> str | None:
    """One line to say where the model's size is only assumed."""
    if not size_of(config.model).assumed:
        return None
    return (
        f"model: its size is not known yet, so memory and run time are reserved for"
        f" {ASSUMED_PARAMETERS / 1e9:g} billion parameters; give model.parameters (e.g. 1.5e9)"
    )


def organism_parameters(settings: OrganismSettings) -> int:
    """Parameters of the organism's network: tied embeddings, blocks, norms."""
    shape, width = settings.architecture, settings.architecture.width
    attention = 4 * (width * width + width)
    block = attention + 3 * width * shape.mlp_width + 2 * width
    tokens = len(vocabulary(build_world(settings.world))) + ORGANISM_CONTROL_TOKENS
    return (tokens + 1) * width + shape.layers * block


def _folder(model: HfModelSettings) -> Path | None:
    """Where the model's files lie on this machine, if they do; nothing is fetched."""
    if model.hub_id is None:
        return model.path
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        found = snapshot_download(model.hub_id, revision=model.revision, local_files_only=True)
    except LocalEntryNotFoundError:
        return None
    return Path(found)


def _counted(folder: Path) -> Size | None:
    """Parameters and bytes as the headers tell; None where files are missing or broken."""
    try:
        stored = sum(file.stat().st_size for file in weight_files(folder))
        parameters = sum(math.prod(shape) for _, shape, _ in tensor_shapes(folder))
    except UNREADABLE:
        return None
    return Size(parameters, stored / parameters) if parameters else None
