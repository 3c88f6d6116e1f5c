"""Work of each kind with all the memory it wants, and with too little of it, in real processes.

Run, with the settings of the allocator that test_memory.py gives:
    PYTHONPATH=workflow_scripts python tests/models/out_of_memory.py [KIND ...]

Every run is a forked process of its own. Two of them measure how much address space the work takes
at the full portion and at half of it; a third may have more than the half and less than the full
(RLIMIT_AS), so that the full portion does not fit and half of it does. Where there is only one row
to begin with, it may have half of what that takes. Prints JSON: what each run gave, by kind.
"""

import json
import os
import resource
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from selfsame.errors import UserError
from selfsame.models.memory import Portion
from selfsame.sampling.choices import choice_logprobs
from selfsame.sampling.generation import generate
from selfsame.sampling.hidden import hidden_means
from selfsame.training.adapters import add_adapter
from selfsame.training.gradients import accumulate_gradients
from selfsame.training.settings import FinetuningSettings
from selfsame.training.supervision import Supervised

Result = list[float]
TOKENS, ROWS, LENGTH = 2048, 8, 128


@dataclass
class Work:
    """A kind of work at a portion, and its full size.

    share: of the way from half to full, how much memory the limited run may have. facts: what else
    a run noted.
    """

    run: Callable[[Portion], Result]
    full: int = TOKENS
    unit: str = "tokens"
    share: float = 0.5
    one_row: bool = False
    facts: dict[str, Any] = field(default_factory=dict)


def model_of() -> Any:
    """A wide and shallow Qwen2: next to its activations the weights take nothing."""
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=500,
        hidden_size=64,
        intermediate_size=4096,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        initializer_range=0.1,
    )
    return Qwen2ForCausalLM(config).eval()


def prompts_of(count: int, length: int) -> list[list[int]]:
    draws = torch.Generator().manual_seed(1)
    return torch.randint(0, 500, (count, length), generator=draws).tolist()


def choices(model: Any) -> Work:
    prompts = prompts_of(24, 100)

    def run(portion: Portion) -> Result:
        rows = choice_logprobs(model, prompts, [[1, 2]] * 24, token_budget=portion)
        return [number for row in rows for number in row]

    return Work(run)


def generation(model: Any) -> Work:
    prompts = prompts_of(24, 100)

    def run(portion: Portion) -> Result:
        answers = generate(
            model,
            prompts,
            max_new_tokens=3,
            temperature=1.0,
            stop_ids=set(),
            seed=0,
            token_budget=portion,
        )
        return [float(token) for answer in answers for token in answer.ids]

    return Work(run)


def hidden(model: Any) -> Work:
    prompts, responses = prompts_of(24, 85), prompts_of(24, 85)

    def run(portion: Portion) -> Result:
        means = hidden_means(model, prompts, responses, token_budget=portion)
        return torch.stack([means.response_mean, means.prompt_last]).flatten().tolist()

    return Work(run)


def training(model: Any, rows: int = ROWS, length: int = LENGTH) -> Work:
    settings = FinetuningSettings(rank=2, alpha=4, batch_size=rows, accumulation=1)
    adapted = add_adapter(model, settings, 0)
    parameters = [p for p in adapted.parameters() if p.requires_grad]
    for parameter in parameters:
        torch.nn.init.normal_(parameter, std=0.1)
    data = [
        Supervised(tuple(ids), (False,) * (length // 2) + (True,) * (length - length // 2))
        for ids in prompts_of(rows, length)
    ]
    facts: dict[str, Any] = {}

    def run(portion: Portion) -> Result:
        added = dict.fromkeys(range(len(parameters)), 0)
        for number, parameter in enumerate(parameters):
            count = lambda _, number=number: added.update({number: added[number] + 1})  # noqa: E731
            parameter.register_post_accumulate_grad_hook(count)
        loss = accumulate_gradients(adapted, data, settings, portion)
        facts["most_additions"] = max(added.values())
        gradient = torch.cat([p.grad.flatten() for p in parameters if p.grad is not None])
        return [loss, *gradient.tolist()]

    return Work(run, rows, "rows", facts=facts)


def backward(model: Any) -> Work:
    """Training with room enough for all activations, but not for their gradients beside them."""
    return replace(training(model), share=0.9)


def one_row(model: Any) -> Work:
    return replace(training(model, 1, 512), one_row=True)


def one_prompt(model: Any) -> Work:
    prompts = prompts_of(1, 1024)

    def run(portion: Portion) -> Result:
        return choice_logprobs(model, prompts, [[1, 2]], token_budget=portion)[0]

    return Work(run, one_row=True)


KINDS = {
    make.__name__: make
    for make in (choices, generation, hidden, training, backward, one_row, one_prompt)
}


def status(name: str) -> int:
    """Bytes of a line of this process's status."""
    lines = dict(x.split(":", 1) for x in Path("/proc/self/status").read_text().splitlines())
    return int(lines[name].split()[0]) * 1024


def measured(work: Work, size: int, limit: int | None) -> dict[str, Any]:
    """Do the work in this process, which must be one of its own."""
    start = status("VmSize")
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_AS, (start + limit, resource.RLIM_INFINITY))
    portion = Portion(work.unit, size)
    found: dict[str, Any] = {"error": None, "result": []}
    try:
        found["result"] = work.run(portion)
    except UserError as error:
        found["error"] = str(error)
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
    took = status("VmPeak") - start
    return found | {"size": portion.size, "notes": portion.notes, "took": took, **work.facts}


def in_a_process(work: Work, size: int, limit: int | None = None) -> dict[str, Any]:
    """What the work gives at a portion, its address space limited to so much more than now."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        try:
            os.dup2(2, 1)
            with os.fdopen(writer, "w") as stream:
                json.dump(measured(work, size, limit), stream)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        text = stream.read()
    os.wait()
    known: dict[str, Any] = json.loads(text)
    return known


def runs(work: Work) -> dict[str, dict[str, Any]]:
    """The full portion, half of it, and the full portion with too little memory."""
    full = in_a_process(work, work.full)
    if work.one_row:
        return {"full": full, "limited": in_a_process(work, work.full, full["took"] // 2)}
    half = in_a_process(work, work.full // 2)
    limit = half["took"] + round(work.share * (full["took"] - half["took"]))
    limited = in_a_process(work, work.full, limit)
    return {"full": full, "half": half, "limited": limited | {"limit": limit}}


def main(kinds: list[str]) -> None:
    """Print what the runs of these kinds gave."""
    torch.set_num_threads(1)
    print(json.dumps({kind: runs(KINDS[kind](model_of())) for kind in kinds or KINDS}))


if __name__ == "__main__":
    main(sys.argv[1:])
