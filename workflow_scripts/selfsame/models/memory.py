"""Out of memory: the same work goes on in halves, and says so.

A `Portion` is how much goes through the model at once. It starts at what is fastest and is halved
whenever memory runs out, for the rest of the step, down to a single row. Results differ by rounding
alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import torch

from selfsame.errors import UserError

Item = TypeVar("Item")

NOTE = "out_of_memory"
MEND = (
    "use a GPU or a node with more memory, model.dtype: bfloat16, or shorter texts"
    " (max_length, max_new_tokens)"
)
# What is raised in other words than torch.OutOfMemoryError and MemoryError: by torch on a
# processor, by the CUDA runtime, by its libraries.
SAID = ("can't allocate memory", "CUDA error: out of memory", "STATUS_ALLOC_FAILED")


@dataclass
class Portion:
    """How many `unit`s are taken at once; `notes` are those of the step's manifest."""

    unit: str
    size: int
    notes: dict[str, Any] = field(default_factory=dict)

    def halve(self, rows: int, held: int) -> None:
        """Take half as much from now on.

        rows: in the batch that did not fit. held: what it held, in units; less than half of that
        must be left, or nothing changes.
        Raises UserError where the batch was a single row.
        """
        if rows == 1:
            count = len(self.notes.get(NOTE, []))
            raise UserError(f"out of memory with one row at once, after {count} halvings; {MEND}")
        less = max(1, min(self.size, held) // 2)
        line = f"out of memory: {less} instead of {self.size} {self.unit} at once from now on"
        print(line, flush=True)
        self.notes.setdefault(NOTE, []).append(line)
        self.size = less


def fits(run: Callable[[], None]) -> bool:
    """Run; False where memory ran out, and what was half done is freed."""
    try:
        run()
    except (RuntimeError, MemoryError) as error:
        if not ran_out(error):
            raise
    else:
        return True
    # Only here are the failed run's frames gone, and with them its tensors.
    from accelerate.utils.memory import clear_device_cache

    clear_device_cache(garbage_collection=True)
    return False


def ran_out(error: BaseException) -> bool:
    """Whether an error says that there is no more memory, on a GPU or a processor."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(said in str(error) for said in SAID)


def in_portions(
    items: Sequence[Item],
    portion: Portion,
    batches: Callable[[Sequence[Item], int], list[list[Item]]],
    run: Callable[[list[Item], int], None],
    extent: Callable[[list[Item]], tuple[int, int]],
) -> None:
    """Run all items in batches; from a batch on that does not fit, in smaller ones.

    batches(items, size): the items in batches. run(batch, size) must leave nothing where it breaks
    off. extent(batch): its rows, and what it holds in the portion's units.
    """
    waiting = batches(items, portion.size)[::-1]
    while waiting:
        if fits(partial(run, waiting[-1], portion.size)):
            waiting.pop()
            continue
        portion.halve(*extent(waiting[-1]))
        left = [item for batch in reversed(waiting) for item in batch]
        waiting = batches(left, portion.size)[::-1]
