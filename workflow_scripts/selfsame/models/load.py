"""Find a model directory, check it before anything is loaded from it, and load it.

Weights come from safetensors alone, and code that comes with a model runs only on request.
"""

import hashlib
import json
from collections.abc import Sequence
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
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES
from transformers.utils.logging import disable_progress_bar

from selfsame import devices
from selfsame.errors import UserError
from selfsame.models.allocator import keep_freed_memory
from selfsame.models.footprint import refuse_too_large
from selfsame.models.placement import attention_on, free_bytes, in_4_bits, spread_over
from selfsame.models.settings import AS_FLOAT32, HfModelSettings, Loading

SAFE_PATTERNS = ("*.json", "*.jinja", "*.safetensors", "*.model", "*.txt", "*.tiktoken")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "spiece.model")


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


def check_model_dir(path: Path, trust_remote_code: bool) -> None:
    """Raise UserError with the mend unless `path` holds a chat model that can be loaded safely."""
    if not (path / "config.json").is_file():
        raise UserError(
            f"{path}: no config.json; model.path must be a Hugging Face model directory"
        )
    _check_weights(path)
    _check_tokenizer(path)
    if not trust_remote_code and _needs_custom_code(path):
        mend = "read that code, then set model.trust_remote_code: true, or choose another model"
        raise UserError(f"{path}: config.json asks for custom code (auto_map); {mend}")


def _check_weights(path: Path) -> None:
    if any(path.glob("*.safetensors")):
        return
    if any(path.glob("*.bin")) or any(path.glob("*.pt")) or any(path.glob("*.pth")):
        mend = "load it where you trust it and save it again with save_pretrained"
        raise UserError(
            f"{path}: weights are pickle files, which can run code; {mend} (safetensors)"
        )
    raise UserError(f"{path}: no *.safetensors weights; copy them there or mend model.path")


def _check_tokenizer(path: Path) -> None:
    if not any((path / name).is_file() for name in TOKENIZER_FILES):
        raise UserError(
            f"{path}: no tokenizer (tokenizer.json); save it with tokenizer.save_pretrained"
        )
    if not _has_chat_template(path):
        mend = "use the instruction-tuned version of the model, or add chat_template.jinja"
        raise UserError(f"{path}: the tokenizer has no chat template; {mend}")


def _has_chat_template(path: Path) -> bool:
    files = (path / "chat_template.jinja", path / "chat_template.json")
    return any(file.is_file() for file in files) or bool(
        _read_json(path / "tokenizer_config.json").get("chat_template")
    )


def _needs_custom_code(path: Path) -> bool:
    """True where config.json points at code and transformers has no class of its own for it."""
    config = _read_json(path / "config.json")
    return "auto_map" in config and config.get("model_type") not in CONFIG_MAPPING_NAMES


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON ({error}); fetch the file again") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: must hold a JSON object; fetch the file again")
    return content


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
    disable_progress_bar()
    torch.set_num_threads(threads)
    device = choose_device(loading.device)
    on_gpu = device.type == "cuda"
    refuse_too_large(path, loading, on_gpu, free_bytes(device, loading.gpus))
    if not on_gpu:
        keep_freed_memory()
    dtype = "float32" if loading.dtype == "auto" and not on_gpu else loading.dtype
    model = AutoModelForCausalLM.from_pretrained(
        path,
        dtype=dtype,
        use_safetensors=True,
        attn_implementation=attention_on(device, loading.attention),
        quantization_config=in_4_bits(dtype) if loading.quantization == "4bit" else None,
        local_files_only=True,
        trust_remote_code=loading.trust_remote_code,
        device_map=spread_over(loading.gpus, device),
    )
    return model.eval(), load_tokenizer(path, loading.trust_remote_code)


def load_tokenizer(path: Path, trust_remote_code: bool = False) -> Any:
    """Load the tokenizer alone. Raises UserError where it cannot give character offsets."""
    tokenizer = AutoTokenizer.from_pretrained(
        path, local_files_only=True, trust_remote_code=trust_remote_code
    )
    if not tokenizer.is_fast:
        raise UserError(f"{path}: a fast tokenizer (tokenizer.json) is needed; convert it first")
    return tokenizer
