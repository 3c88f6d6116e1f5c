"""Large models: attention kernels, weights of 4 bits, one model over several GPUs.

What an extra needs and does not find is one line that names the key and the mend.
"""

import importlib.util
import math
from pathlib import Path
from typing import Any

import psutil
import torch
from transformers import BitsAndBytesConfig

from selfsame import devices
from selfsame.errors import UserError
from selfsame.models.settings import Attention


def attention_on(device: torch.device, attention: Attention) -> Attention:
    """The attention to load with. Raises UserError where it cannot run."""
    if attention != "flash_attention_2":
        return attention
    mend = "set model.attention to sdpa, which is as right and nearly as fast"
    if device.type != "cuda":
        raise UserError(f"model.attention: flash_attention_2 runs on a GPU only; {mend}")
    if importlib.util.find_spec("flash_attn") is None:
        raise UserError(
            f"model.attention: flash_attention_2 needs flash-attn; install it, or {mend}"
        )
    return attention


def in_4_bits(dtype: str) -> Any:
    """Weights in NF4, their scales quantised too (Dettmers et al., arXiv 2305.14314).

    dtype: of the products; auto is bfloat16. Raises UserError where bitsandbytes is not installed.
    """
    if importlib.util.find_spec("bitsandbytes") is None:
        raise UserError(
            "model.quantization: 4bit needs bitsandbytes; pip install 'selfsame[quantised]',"
            " or set it to none"
        )
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32 if dtype == "float32" else torch.bfloat16,
    )


def free_bytes(device: torch.device, gpus: int) -> float:
    """Memory that is free: of all the job's GPUs, or of this machine and the job's share of it."""
    if device.type == "cuda":
        return float(sum(torch.cuda.mem_get_info(place)[0] for place in range(max(gpus, 1))))
    return float(min(psutil.virtual_memory().available, _allowed()))


def _allowed() -> float:
    """What a control group (a Slurm job, a container) leaves this process, in bytes."""
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
        used = Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii").strip()
    except OSError:
        return math.inf
    return math.inf if limit == "max" else int(limit) - int(used)


def spread_over(gpus: int, device: torch.device) -> Any:
    """Transformers' device map: one device, or the blocks in turn over several GPUs.

    Raises UserError for several GPUs without a GPU, TryAgain where the node has fewer.
    """
    if gpus <= 1:
        return None if device.type == "cpu" else {"": device}
    if device.type == "cpu":
        raise UserError(f"resources: {gpus} GPUs are asked for, but none is there; ask for 0 or 1")
    if torch.cuda.device_count() < gpus:
        raise devices.no_gpu(f"{gpus} are asked for, {torch.cuda.device_count()} are there")
    return "balanced"
