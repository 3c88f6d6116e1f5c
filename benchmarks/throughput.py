"""Speed of finetuning and sampling on a model of real shape, against what the device can do.

Run on a GPU:      PYTHONPATH=workflow_scripts python benchmarks/throughput.py --shape qwen2.5-0.5b
                   PYTHONPATH=workflow_scripts python benchmarks/throughput.py --shape qwen2.5-7b
On a processor:    OMP_NUM_THREADS=1 PYTHONPATH=workflow_scripts python benchmarks/throughput.py

The model is drawn at random in the published shape; nothing is fetched. Printed are tokens a
second, the peak of memory, and the share of the device's own ceiling: the ceiling is a product of
two large matrices in the same number format, timed in the same run. A forward pass is reckoned 2 N
operations a token, a LoRA step 4 N (forward, and the backward pass to the inputs; gradients of
frozen weights are not computed), after Kaplan et al., arXiv 2001.08361, section 2.1; N leaves the
embeddings out. Prompts are not counted as sampled tokens, though they are read. The engine is held
against one prompt at a time on the same device, with equal greedy outputs.
"""

import argparse
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from rich.console import Console
from rich.table import Table
from transformers import Qwen2Config, Qwen2ForCausalLM

from selfsame.models.allocator import keep_freed_memory
from selfsame.models.memory import Portion
from selfsame.sampling.budget import fitting_budget
from selfsame.sampling.generation import generate
from selfsame.training.adapters import add_adapter
from selfsame.training.gradients import accumulate_gradients
from selfsame.training.settings import FinetuningSettings
from selfsame.training.supervision import Supervised

# Layers, width, inner width, heads, key-value heads, vocabulary, tied: the published config.json
# files of Qwen2.5-0.5B-Instruct and Qwen2.5-7B-Instruct, and one small enough for a processor.
SHAPES = {
    "tiny": (4, 256, 1024, 4, 2, 2048, True),
    "qwen2.5-0.5b": (24, 896, 4864, 14, 2, 151936, True),
    "qwen2.5-7b": (28, 3584, 18944, 28, 4, 152064, False),
}
IDS = 2000  # ids are drawn below this
CEILING_SIZE = {"cpu": 1024, "cuda": 8192}


@dataclass(frozen=True)
class Measured:
    """Tokens a second, peak bytes, and the share of the device's ceiling."""

    name: str
    tokens_per_s: float
    peak_bytes: float
    utilisation: float


def random_model(shape: str, device: torch.device, dtype: torch.dtype) -> Qwen2ForCausalLM:
    """A model of this shape with random weights."""
    layers, width, inner, heads, kv_heads, vocabulary, tied = SHAPES[shape]
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        max_position_embeddings=4096,
        tie_word_embeddings=tied,
        eos_token_id=None,
        pad_token_id=None,
        dtype=dtype,
    )
    with torch.device(device):
        return Qwen2ForCausalLM(config).to(dtype).eval()


def counted_parameters(model: Qwen2ForCausalLM) -> int:
    """Parameters that a token is multiplied with: all but the embeddings."""
    head = model.lm_head.weight.numel() if not model.config.tie_word_embeddings else 0
    return sum(p.numel() for p in model.model.layers.parameters()) + head


def seconds(run: Callable[[], object], device: torch.device) -> float:
    """Wall seconds of a run, the device's own work included."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def ceiling(device: torch.device, dtype: torch.dtype, rounds: int = 8) -> float:
    """Operations a second of a product of two square matrices; the best of some rounds."""
    size = CEILING_SIZE[device.type]
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    return 2 * size**3 / min(seconds(lambda: a @ b, device) for _ in range(rounds))


def peak(device: torch.device) -> float:
    """Highest memory so far in bytes: the GPU's, or the process's."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


def finetuning(
    model: Qwen2ForCausalLM, rows: int, length: int, ceil: float, *, again: bool
) -> Measured:
    """Gradients of optimizer steps of `rows` rows of `length` tokens, half of them supervised."""
    half = length // 2
    row = Supervised(tuple(range(5, 5 + length)), (False,) * half + (True,) * (length - half))
    settings = FinetuningSettings(batch_size=rows, gradient_checkpointing=again)
    adapted = add_adapter(model, settings, 0).train()
    if again:
        adapted.gradient_checkpointing_enable({"use_reentrant": False})

    def step() -> None:
        accumulate_gradients(adapted, [row] * rows, settings)
        adapted.zero_grad(set_to_none=True)

    step()  # kernels are chosen and memory is taken at the first
    rate = 3 * rows * length / seconds(lambda: [step() for _ in range(3)], model.device)
    adapted.unload()
    model.gradient_checkpointing_disable()
    model.eval()
    work = (6 if again else 4) * counted_parameters(model)
    name = "finetune, blocks computed twice" if again else "finetune"
    return Measured(name, rate, peak(model.device), rate * work / ceil)


def sampling(
    model: Qwen2ForCausalLM, prompts: list[list[int]], new: int, ceil: float
) -> tuple[Measured, Measured]:
    """The engine and one prompt at a time. Raises SystemExit where the answers differ."""
    how = {"max_new_tokens": new, "temperature": 0.0, "stop_ids": set[int](), "seed": 0}
    found: dict[str, list[list[int]]] = {}

    def run(name: str) -> None:
        if name == "engine":
            budget = Portion("tokens", fitting_budget(model), {})
            found[name] = [g.ids for g in generate(model, prompts, token_budget=budget, **how)]
        else:
            found[name] = [generate(model, [prompt], **how)[0].ids for prompt in prompts]

    generate(model, prompts[:1], **how)
    measured = []
    for name in ("engine", "one at a time"):
        rate = len(prompts) * new / seconds(lambda name=name: run(name), model.device)
        share = rate * 2 * counted_parameters(model) / ceil
        measured.append(Measured(f"sample, {name}", rate, peak(model.device), share))
    differing = sum(a != b for a, b in zip(found["engine"], found["one at a time"], strict=True))
    # In bfloat16 another batch's rounding may turn a near-tie; in float32 nothing may differ.
    if differing and model.dtype == torch.float32:
        raise SystemExit(f"{differing} of {len(prompts)} answers differ")
    return measured[0], measured[1]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--shape", choices=SHAPES, default="tiny")
    parser.add_argument("--rows", type=int, default=8, help="rows of an optimizer step")
    parser.add_argument("--length", type=int, default=256, help="tokens of a row and of a prompt")
    parser.add_argument("--prompts", type=int, default=32)
    parser.add_argument("--new", type=int, default=48, help="new tokens of an answer")
    given = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    keep_freed_memory()
    model, ceil = random_model(given.shape, device, dtype), ceiling(device, dtype)
    generator = torch.Generator().manual_seed(0)
    shape = (given.prompts, given.length)
    prompts = torch.randint(5, IDS, shape, generator=generator).tolist()
    engine, single = sampling(model, prompts, given.new, ceil)
    rows = [engine, single]
    rows += [
        finetuning(model, given.rows, given.length, ceil, again=again) for again in (False, True)
    ]
    show(given.shape, device, ceil, rows)
    Console().print(f"engine / one at a time: {engine.tokens_per_s / single.tokens_per_s:.1f}x")


def show(shape: str, device: torch.device, ceil: float, rows: list[Measured]) -> None:
    """Print the table."""
    name = torch.cuda.get_device_name() if device.type == "cuda" else "processor"
    table = Table(title=f"{shape} on {name}, ceiling {ceil / 1e12:.2f} Tflop/s")
    for column in ("", "tokens/s", "peak GB", "of the ceiling"):
        table.add_column(column, justify="left" if not column else "right")
    for row in rows:
        figures = (f"{row.tokens_per_s:,.0f}", f"{row.peak_bytes / 1e9:.2f}")
        table.add_row(row.name, *figures, f"{row.utilisation:.0%}")
    Console().print(table)


if __name__ == "__main__":
    main()
