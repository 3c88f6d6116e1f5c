"""Find a model directory, check it before anything is loaded from it, and load it.

Weights come from safetensors alone, and code that comes with a model runs only on request.
"""

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from selfsame import devices
from selfsame.errors import UserError
from selfsame.models.allocator import keep_freed_memory
from selfsame.models.directory import check_model_dir
from selfsame.models.footprint import refuse_too_large
from selfsame.models.placement import attention_on, free_bytes, in_4_bits, spread_over
from selfsame.models.settings import AS_FLOAT32, HfModelSettings, Loading

SAFE_PATTERNS = ("*.json", "*.jinja", "*.safetensors", "*.model", "*.txt", "*.tiktoken")

# PEFT asks each model under a name that transformers 5.23 calls deprecated, and we must where an
# older one is allowed: nothing that a reader of a log could mend.
RENAMED = r"`(is_gradient_checkpointing|gradient_checkpointing_enable)` is deprecated"
warnings.filterwarnings("ignore", RENAMED, FutureWarning)


@dataclass(frozen=True)
class ResolvedModel:
    """A model on this disk: its directory, hub commit (None for a directory) and digest."""

    path: Path
    commit: str | None
    digest: str


def resolve(settings: HfModelSettings) -> ResolvedModel:
    """Return the checked local directory of a model, downloaded where it is on the hub.

    Raises:
        UserError: the repository cannot be had, or the directory is not a usable chat model.
    """
    path = settings.path if settings.path is not None else _download(settings)
    check_model_dir(path, settings.trust_remote_code)
    commit = path.name if settings.hub_id is not None else None
    return ResolvedModel(path, commit, digest_of(path, settings.trust_remote_code))


def _download(settings: HfModelSettings) -> Path:
    """Fetch the snapshot; the folder it lies in is named by its commit."""
    assert settings.hub_id is not None
    name = f"model.hub_id {settings.hub_id}"
    code = ("*.py",) if settings.trust_remote_code else ()
    try:
        folder = snapshot_download(
            settings.hub_id, revision=settings.revision, allow_patterns=[*SAFE_PATTERNS, *code]
        )
    except GatedRepoError as error:
        mend = "accept its terms on the hub and set HF_TOKEN in the environment"
        raise UserError(f"{name} is gated: {mend}") from error
    except RevisionNotFoundError as error:
        raise UserError(
            f"{name} has no revision {settings.revision}: mend model.revision"
        ) from error
    except RepositoryNotFoundError as error:
        raise UserError(f"{name} is not on the hub: mend the name, or set HF_TOKEN") from error
    except LocalEntryNotFoundError as error:
        mend = "connect, or download it elsewhere and give model.path"
        raise UserError(
            f"{name} is not in the local cache and the hub is out of reach: {mend}"
        ) from error
    return Path(folder)


def digest_of(path: Path, with_code: bool = False) -> str:
    """Return the sha256 (hex) over names and contents of the files a model is loaded from."""
    return digest_of_files(model_files(path, with_code))


def digest_of_files(files: Sequence[Path]) -> str:
    """Return the sha256 (hex) over names and contents of a model's files."""
    digest = hashlib.sha256()
    for file in sorted(files):
        with file.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        digest.update(f"{file.name}\0{content}\n".encode())
    return digest.hexdigest()


def model_files(path: Path, with_code: bool = False) -> list[Path]:
    """The files that a model is loaded from, with its own code where that is asked for."""
    patterns = (*SAFE_PATTERNS, *(("*.py",) if with_code else ()))
    return sorted(file for pattern in patterns for file in path.glob(pattern))


def choose_device(name: str = "auto") -> torch.device:
    """Return the device of a name; auto is the GPU where there is one, else the CPU.

    Raises TryAgain where Slurm promised a GPU and it does not work: the CPU would be far too slow.
    """
    if name == "auto":
        if devices.promised():
            _check_promised_gpu()
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UserError("device: cuda is asked for, but torch finds no GPU; set it to auto or cpu")
    return torch.device(name)


def _check_promised_gpu() -> None:
    if not devices.has_device_file():
        raise devices.no_gpu("its device file is missing")
    if not (torch.backends.cuda.is_built() or torch.version.hip):
        raise UserError("a GPU is there, but this torch is for CPUs: install one for the GPU")
    if not torch.cuda.is_available():
        raise devices.no_gpu("the driver does not start it")
    try:
        torch.zeros(1, device="cuda")
    except RuntimeError as error:
        raise devices.no_gpu(str(error).splitlines()[0]) from error


def load_model(path: Path, loading: Loading = AS_FLOAT32, threads: int = 1) -> tuple[Any, Any]:
    """Load (model, tokenizer) in evaluation mode from a directory, never from the network.

    Args:
        path: a directory that passes `check_model_dir`.
        loading: dtype auto is the checkpoint's own on a GPU and float32 on a CPU.
        threads: of torch on the CPU; more than the job owns is many times slower than one.
    """
    check_model_dir(path, loading.trust_remote_code)
    torch.set_num_threads(threads)
    device = choose_device(loading.device)
    on_gpu = device.type == "cuda"
    refuse_too_large(path, loading, on_gpu, free_bytes(device, loading.gpus))
    if not on_gpu:
        keep_freed_memory()
    dtype = "float32" if loading.dtype == "auto" and not on_gpu else loading.dtype
    model = whole_model(
        path,
        dtype=dtype,
        attn_implementation=attention_on(device, loading.attention),
        quantization_config=in_4_bits(dtype) if loading.quantization == "4bit" else None,
        trust_remote_code=loading.trust_remote_code,
        device_map=spread_over(loading.gpus, device),
    )
    return model.eval(), load_tokenizer(path, loading.trust_remote_code)


def whole_model(path: Path, **how: Any) -> Any:
    """The model of a directory, every weight of it from the files there.

    Raises UserError where a weight is missing or has another shape than config.json says:
    transformers would draw it at random.
    """
    with _without_report():
        model, told = AutoModelForCausalLM.from_pretrained(
            path,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            **how,
        )
    mend = "fetch or save the model again, config.json and weights together"
    for name in sorted(told["missing_keys"]):
        raise UserError(f"{path}: its files have no weights {name}; {mend}")
    for name, stored, wanted in sorted(told["mismatched_keys"]):
        shapes = f"{tuple(stored)} in the files and {tuple(wanted)} by config.json"
        raise UserError(f"{path}: {name} is {shapes}; {mend}")
    return model


@contextmanager
def _without_report() -> Iterator[None]:
    """Without transformers' progress and its tables of what it did not find: that is an error."""
    before = logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def load_tokenizer(path: Path, trust_remote_code: bool = False) -> Any:
    """Load the tokenizer alone. Raises UserError where it cannot give character offsets."""
    tokenizer = AutoTokenizer.from_pretrained(
        path, local_files_only=True, trust_remote_code=trust_remote_code
    )
    if not tokenizer.is_fast:
        raise UserError(f"{path}: a fast tokenizer (tokenizer.json) is needed; convert it first")
    return tokenizer
