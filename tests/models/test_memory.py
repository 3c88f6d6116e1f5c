"""Real exhaustion of memory: work in halves gives what undisturbed work gives, and says so."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from selfsame.errors import UserError
from selfsame.models.memory import NOTE, Portion, fits, in_portions, ran_out

DRIVER = Path(__file__).with_name("out_of_memory.py")
SAMPLING = ("choices", "generation", "hidden")
# So that address space is what is in use: tensors are mapped one by one, as larger ones always are,
# and no thread reserves an arena (mallopt(3)).
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "500000", "MALLOC_ARENA_MAX": "1"}
HALVED = {"tokens": (1024, 2048), "rows": (4, 8)}
Runs = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def measured(root: Path) -> dict[str, Runs]:
    """What every kind of work gave with enough memory and with too little (see the driver)."""
    library = {"PYTHONPATH": str(root / "workflow_scripts"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(DRIVER)],
        capture_output=True,
        text=True,
        env=library | ALLOCATOR,
        check=True,
    )
    found: dict[str, Runs] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("kind", [*SAMPLING, "training", "backward"])
def test_half_the_portion_gives_the_same(measured: dict[str, Runs], kind: str) -> None:
    full, limited = measured[kind]["full"], measured[kind]["limited"]
    less, size = HALVED["tokens" if kind in SAMPLING else "rows"]
    unit = "tokens" if kind in SAMPLING else "rows"
    line = f"out of memory: {less} instead of {size} {unit} at once from now on"
    assert full["notes"] == {}
    assert limited["notes"] == {NOTE: [line]}
    assert limited["took"] < limited["limit"] < full["took"]
    assert len(limited["result"]) == len(full["result"]) > 0
    torch.testing.assert_close(
        torch.tensor(limited["result"]), torch.tensor(full["result"]), rtol=1e-4, atol=1e-5
    )


def test_a_gradient_given_before_memory_ran_out_does_not_count_twice(
    measured: dict[str, Runs],
) -> None:
    """The pass that broke off had given some module's gradient: three additions for two halves.

    That the sum is right all the same is compared in the test above.
    """
    assert measured["backward"]["half"]["most_additions"] == 2
    assert measured["backward"]["limited"]["most_additions"] == 3


@pytest.mark.parametrize("kind", ["one_row", "one_prompt"])
def test_one_row_that_does_not_fit_is_the_users_to_mend(
    measured: dict[str, Runs], kind: str
) -> None:
    assert measured[kind]["full"]["error"] is None
    error = measured[kind]["limited"]["error"]
    assert error.startswith("out of memory with one row at once, after 0 halvings; use a GPU")
    assert "\n" not in error


def test_halving_goes_down_to_one_row_and_no_further(capsys: pytest.CaptureFixture[str]) -> None:
    """Items of which none fits: every size is tried once, none in vain."""
    tried = []
    notes: dict[str, Any] = {"device": "cpu"}

    def batches(items: Any, size: int) -> list[list[int]]:
        return [list(items[i : i + size]) for i in range(0, len(items), size)]

    def run(batch: list[int], size: int) -> None:
        tried.append((batch, size))
        raise MemoryError

    portion = Portion("rows", 64, notes)  # more than there are
    with pytest.raises(UserError, match="one row at once, after 3 halvings"):
        in_portions(range(9), portion, batches, run, lambda batch: (len(batch), len(batch)))
    assert [(len(batch), size) for batch, size in tried] == [(9, 64), (4, 4), (2, 2), (1, 1)]
    assert notes["device"] == "cpu"
    assert capsys.readouterr().out.splitlines() == notes[NOTE]
    assert notes[NOTE][0] == "out of memory: 4 instead of 64 rows at once from now on"


def test_what_was_done_is_not_done_again() -> None:
    done: list[int] = []
    failures = iter([False, False, True, False, False, False, False])

    def run(batch: list[int], size: int) -> None:
        if next(failures):
            raise torch.OutOfMemoryError
        done.extend(batch)

    def batches(items: Any, size: int) -> list[list[int]]:
        return [list(items[i : i + size]) for i in range(0, len(items), size)]

    portion = Portion("rows", 4)
    in_portions(range(14), portion, batches, run, lambda batch: (len(batch), len(batch)))
    assert done == list(range(14))
    assert portion.size == 2


def test_another_error_is_no_lack_of_memory() -> None:
    def broken() -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        fits(broken)


def test_every_way_to_say_that_memory_ran_out() -> None:
    """The processor's allocator is asked for real; the others' words are those of their sources."""
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**60, dtype=torch.uint8)
    assert ran_out(raised.value)
    for error in (
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be ..."),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        MemoryError(),
    ):
        assert ran_out(error)
