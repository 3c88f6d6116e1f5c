"""What a model's directory must hold, told from its small files: no weight is read, no code run.

Imports nothing heavy: the config's check asks it before any job.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from selfsame.errors import UserError

TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "spiece.model")
# A name with a slash under such a key of config.json stands for code on the hub.
ATTENTION = ("attn_implementation", "_attn_implementation", "_attn_implementation_internal")


def check_model_dir(path: Path, trust_remote_code: bool) -> None:
    """Raise UserError with the mend unless `path` holds a chat model that can be loaded safely."""
    if not (path / "config.json").is_file():
        raise UserError(
            f"{path}: no config.json; model.path must be a Hugging Face model directory"
        )
    if (path / "adapter_config.json").is_file():
        mend = "merge it into its base (merge_and_unload) and save that, or move the file away"
        raise UserError(f"{path}: adapter_config.json makes it an adapter, not a model; {mend}")
    _check_weights(path)
    _check_tokenizer(path)
    if not trust_remote_code:
        _check_code(path, read_json(path / "config.json"))


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
        read_json(path / "tokenizer_config.json").get("chat_template")
    )


def _check_code(path: Path, config: Mapping[str, Any]) -> None:
    """Refuse code that comes with the model, or that its config.json names elsewhere."""
    mend = "read that code, then set model.trust_remote_code: true, or choose another model"
    if "auto_map" in config and not _is_known(config):
        raise UserError(f"{path}: config.json asks for custom code (auto_map); {mend}")
    for key in ATTENTION:
        if "/" in str(config.get(key, "")):
            raise UserError(f"{path}: config.json asks for custom code ({key}); {mend}")


def _is_known(config: Mapping[str, Any]) -> bool:
    """Whether transformers has a class of its own for the model."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    return config.get("model_type") in CONFIG_MAPPING_NAMES


def read_json(path: Path) -> dict[str, Any]:
    """The object in a model's JSON file; empty where there is none. Raises UserError."""
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not valid JSON ({error}); fetch the file again") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: must hold a JSON object; fetch the file again")
    return content
