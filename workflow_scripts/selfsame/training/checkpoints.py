"""Checkpoints of a finetuning under way: resume after an interruption with the same result.

One safetensors file holds the adapter's weights, the optimizer's moments and the random generators'
states; its header holds the scheduler, the step and the loss curve as JSON. The file's name is a
fingerprint of all that decides the result, so a stale checkpoint is never found.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from selfsame.digests import canonical, sha256_text
from selfsame.publish import sync

Curve = list[dict[str, float]]


def checkpoint_path(folder: Path, facts: Mapping[str, Any]) -> Path:
    """Return the file for a finetuning decided by `facts` (JSON: settings, seed, digests)."""
    return folder / f"checkpoint-{json_digest(facts)}.safetensors"


def json_digest(facts: Any) -> str:
    """Return the sha256 (hex) of facts as canonical JSON."""
    return sha256_text(canonical(facts))


def save_checkpoint(path: Path, model: Any, optimizer: Any, scheduler: Any, curve: Curve) -> None:
    """Write the state after `len(curve)` steps; the file appears whole or not at all."""
    tensors = _random_states() | _optimizer_states(model, optimizer)
    for name, parameter in _trainable(model).items():
        tensors[f"adapter.{name}"] = parameter.detach()
    facts = {"scheduler": json.dumps(scheduler.state_dict()), "curve": json.dumps(curve)}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, partial, facts)
    sync(partial)
    os.replace(partial, path)


def restore_checkpoint(path: Path, model: Any, optimizer: Any, scheduler: Any) -> Curve:
    """Put a saved state back and return its loss curve; an empty one where none was saved."""
    if not path.is_file():
        return []
    with safe_open(path, framework="pt") as stored:
        facts: dict[str, str] = stored.metadata()
        tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    _restore_parameters(tensors, model, optimizer)
    scheduler.load_state_dict(json.loads(facts["scheduler"]))
    for group, rate in zip(optimizer.param_groups, scheduler.get_last_lr(), strict=True):
        group["lr"] = rate
    torch.set_rng_state(tensors["random.cpu"])
    if "random.cuda" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["random.cuda"])
    curve: Curve = json.loads(facts["curve"])
    return curve


def remove_checkpoints(folder: Path) -> None:
    """Delete all checkpoints of the folder, stale ones too, and the folder where it is empty."""
    for file in (*folder.glob("checkpoint-*.safetensors"), *folder.glob("checkpoint-*.partial")):
        file.unlink()
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _trainable(model: Any) -> dict[str, Tensor]:
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def _optimizer_states(model: Any, optimizer: Any) -> dict[str, Tensor]:
    """The optimizer's step counts and moments, named by parameter; whole numbers as int64."""
    return {
        f"optimizer.{name}.{key}": torch.as_tensor(value).clone()  # 8-bit moments share tables
        for name, parameter in _trainable(model).items()
        for key, value in optimizer.state[parameter].items()
    }


def _random_states() -> dict[str, Tensor]:
    states = {"random.cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["random.cuda"] = torch.cuda.get_rng_state()
    return states


def _restore_parameters(tensors: Mapping[str, Tensor], model: Any, optimizer: Any) -> None:
    for name, parameter in _trainable(model).items():
        with torch.no_grad():
            parameter.copy_(tensors[f"adapter.{name}"])
        prefix = f"optimizer.{name}."
        for key, value in tensors.items():
            if key.startswith(prefix):
                number = value.dtype == torch.int64 and value.ndim == 0
                kept = int(value) if number else value.to(parameter.device)
                optimizer.state[parameter][key.removeprefix(prefix)] = kept
