"""Relapse: train the induction afresh on a state and ask it again at every dose.

One run at a constant rate, measured on the way: dose n is the state after n optimizer steps, and
doses differ by nothing else.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from selfsame.models.settings import SystemPrompt
from selfsame.sampling.state import Speaker
from selfsame.training.adapters import add_adapter
from selfsame.training.finetune import Row, rows_in_order, run_steps
from selfsame.training.settings import FinetuningSettings

Measure = Callable[[Speaker, int], None]


def relapse(
    speaker: Speaker,
    rows: Sequence[Row],
    settings: FinetuningSettings,
    *,
    doses: Sequence[int],
    seed: int,
    system: SystemPrompt,
    measure: Measure,
) -> None:
    """Call `measure(speaker, dose)` at each dose of fresh finetuning on `rows`.

    speaker: the state with its chain merged; its model gets a new adapter.
    settings: those of the induction; steps, schedule and steering are set here.
    doses: optimizer steps, rising; 0 is the state before training.
    system: what the rows are trained under; `measure` may ask under something else.
    Raises UserError as `finetune` does.
    """
    changes = {"steps": max(doses), "schedule": "constant", "checkpoint_every": 0, "steering": None}
    warmup = min(settings.warmup_steps, max(doses) - 1)
    settings = settings.model_copy(update={**changes, "warmup_steps": warmup})
    if 0 in doses:
        measure(speaker, 0)
    data = rows_in_order(speaker.tokenizer, rows, system, settings, seed, notes=speaker.notes)
    adapted = add_adapter(speaker.model, settings, seed)
    trained = replace(speaker, model=adapted.get_base_model())

    def look(step: int, _steps: int, _loss: float) -> None:
        if step in doses:
            measure(trained, step)

    run_steps(adapted, data, settings, progress=look, notes=speaker.notes)
