"""Finetune one stage: a fresh LoRA adapter on the base with the chain's earlier stages merged.

The recipe, in order: load the state, add a seeded adapter, tokenise the rows that the steps will
see, run the steps, save. On a CPU the same inputs, seed and threads give the same bytes, also
when the run was interrupted and resumed from a checkpoint.
"""

import hashlib
import json
import math
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import nn
from transformers import get_scheduler

from selfsame.errors import UserError
from selfsame.models.adapter_files import ADAPTER_CONFIG, ADAPTER_WEIGHTS, check_adapter_dir
from selfsame.models.chain import load_state
from selfsame.models.chat import system_prompt_hash
from selfsame.models.directory import check_model_dir
from selfsame.models.load import load_tokenizer
from selfsame.models.settings import AS_FLOAT32, Loading, SystemPrompt
from selfsame.models.steering import Steering, steered
from selfsame.training.adapters import add_adapter
from selfsame.training.card import Parent, Provenance, model_card
from selfsame.training.checkpoints import (
    Curve,
    checkpoint_path,
    json_digest,
    remove_checkpoints,
    restore_checkpoint,
    save_checkpoint,
)
from selfsame.training.fitting import refuse_unfit
from selfsame.training.gradients import accumulate_gradients, rows_at_once
from selfsame.training.inoculation import with_inoculations
from selfsame.training.optimizers import make_optimizer
from selfsame.training.settings import FinetuningSettings
from selfsame.training.supervision import Supervised, supervise_row

Row = Mapping[str, Any]
Progress = Callable[[int, int, float], None]

WINDOW = 10
DIVERGENCE = 3.0
LOSS_SCHEMA = pa.schema(
    [
        pa.field("step", pa.int32(), nullable=False),
        pa.field("loss", pa.float64(), nullable=False, metadata={"unit": "nats per token"}),
        pa.field("learning_rate", pa.float64(), nullable=False),
        pa.field("grad_norm", pa.float64(), nullable=False, metadata={"unit": "before clipping"}),
        pa.field("tokens", pa.int32(), nullable=False, metadata={"unit": "supervised tokens"}),
    ]
)


@dataclass(frozen=True)
class FinetuneResult:
    """What a finetuning came to.

    first_loss and last_loss are means over the first and last 10 steps, in nats per supervised
    token; tokens counts the supervised tokens of all steps, seconds is wall time.
    """

    first_loss: float
    last_loss: float
    steps: int
    tokens: int
    seconds: float


def finetune(  # noqa: PLR0917
    base: Path,
    parents: Sequence[Path],
    rows: Sequence[Row],
    settings: FinetuningSettings,
    seed: int,
    system: SystemPrompt,
    out: Path,
    *,
    chain: str,
    misaligned: bool,
    threads: int,
    progress: Progress | None = None,
    loading: Loading = AS_FLOAT32,
    base_name: str = "base",
    checkpoints: Path | None = None,
    code: str = "",
    steering: Steering | None = None,
    notes: dict[str, Any] | None = None,
) -> FinetuneResult:
    """Train one adapter and save it in `out` with its card and loss curve.

    Args:
        base: directory of the base model, which stays as it is.
        parents: adapter directories of the chain's earlier stages, first stage first.
        rows: chat rows {"row_id": str, "messages": [...]}, `inoculated` where they are.
        out: folder to create; it appears whole, after the last step, or not at all.
        chain: stage names joined by "+", this stage last.
        misaligned: the chain made the model misbehave; its card opens with that.
        progress: called after each step with (step, steps, loss).
        loading: of the frozen weights; the adapter itself is float32.
        base_name: how the card and adapter_config.json name the base (a hub id, or a plain word).
        checkpoints: folder for checkpoints, used where settings.checkpoint_every is not 0.
        code: digest of the code that trains; a checkpoint of other code is not gone on from.
        steering: what is added to a layer at every position in training (settings.steering).
        notes: gets the device, the rendered system prompt's hash, where inoculations stand, and the
            halving of passes where memory ran out.

    Raises:
        UserError: unusable rows, modules or template, too little memory (before the weights are
            read), or a loss that is not finite or diverges.
    """
    started = time.perf_counter()
    _refuse_existing(out)
    check_model_dir(base, loading.trust_remote_code)
    notes = {} if notes is None else notes
    source = _provenance(
        base_name=base_name,
        chain=chain,
        parents=parents,
        misaligned=misaligned,
        rows=rows,
        seed=seed,
    )
    tokenizer = load_tokenizer(base, loading.trust_remote_code)
    data = rows_in_order(tokenizer, rows, system, settings, seed, notes=notes)
    refuse_unfit(base, loading, settings, data)
    model, _ = load_state(base, parents, loading, threads)
    if (steering is None) != (settings.steering is None):
        raise ValueError("a steering and the settings that ask for it go together")
    notes["device"] = str(model.device)
    notes["system_prompt_sha256"] = system_prompt_hash(tokenizer, system)
    model = add_adapter(model, settings, seed)
    checkpoint = None
    if checkpoints is not None and settings.checkpoint_every > 0:
        run = [system_prompt_hash(tokenizer, system), threads, str(model.device), code]
        run += [loading.model_dump()]
        run += (
            [] if steering is None else [steering.layer, steering.alpha, *steering.vector.tolist()]
        )
        checkpoint = checkpoint_path(checkpoints, _facts(source, base, settings, run))
    curve = run_steps(
        model,
        data,
        settings,
        checkpoint=checkpoint,
        progress=progress,
        steering=steering,
        notes=notes,
    )
    _save(model, out, source, settings, curve)
    if checkpoints is not None:
        remove_checkpoints(checkpoints)
    return _result(curve, time.perf_counter() - started)


def _refuse_existing(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} is there already; remove it or choose another output")


def row_order(n_rows: int, settings: FinetuningSettings, seed: int) -> list[int]:
    """Return the row of every place in every step, in order; each epoch is shuffled anew.

    Two finetunings with as many rows and the same seed see them in the same order.
    """
    if n_rows == 0:
        raise UserError("the stage's dataset has no rows; mend its data options")
    needed = settings.steps * settings.batch_size * settings.accumulation
    generator = torch.Generator().manual_seed(seed)
    epochs = math.ceil(needed / n_rows)
    order = torch.cat([torch.randperm(n_rows, generator=generator) for _ in range(epochs)])
    return [int(index) for index in order[:needed]]


def rows_in_order(
    tokenizer: Any,
    rows: Sequence[Row],
    system: SystemPrompt,
    settings: FinetuningSettings,
    seed: int,
    *,
    notes: dict[str, Any] | None = None,
) -> list[Supervised]:
    """The tokenised rows of all steps, in the order they are seen; each is tokenised once."""
    order = row_order(len(rows), settings, seed)
    rows = with_inoculations(tokenizer, rows, {} if notes is None else notes)
    data = {
        i: supervise_row(tokenizer, rows[i], system, settings.max_length)
        for i in sorted(set(order))
    }
    return [data[i] for i in order]


def run_steps(
    model: Any,
    data: Sequence[Supervised],
    settings: FinetuningSettings,
    *,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
    steering: Steering | None = None,
    notes: dict[str, Any] | None = None,
) -> Curve:
    """Run the optimizer steps, those a checkpoint has done left out; return the loss curve."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = make_optimizer(parameters, settings)
    scheduler = get_scheduler(settings.schedule, optimizer, settings.warmup_steps, settings.steps)
    curve = restore_checkpoint(checkpoint, model, optimizer, scheduler) if checkpoint else []
    per_step = settings.batch_size * settings.accumulation
    portion = rows_at_once(settings, notes)
    model.train()
    if settings.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    for step in range(len(curve), settings.steps):
        batch = data[step * per_step : (step + 1) * per_step]
        with steered(model.get_base_model(), steering):
            loss = accumulate_gradients(model, batch, settings, portion)
        norm = float(nn.utils.clip_grad_norm_(parameters, settings.clip_norm))
        curve.append(_facts_of_step(step, loss, scheduler, norm, batch))
        check_loss(curve, settings)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad(set_to_none=True)
        if checkpoint and len(curve) % settings.checkpoint_every == 0:
            save_checkpoint(checkpoint, model, optimizer, scheduler, curve)
        if progress:
            progress(len(curve), settings.steps, loss)
    return curve


def _facts_of_step(
    step: int, loss: float, scheduler: Any, norm: float, batch: Sequence[Supervised]
) -> dict[str, float]:
    tokens = sum(row.n_supervised for row in batch)
    rate = scheduler.get_last_lr()[0]
    return {
        "step": step + 1,
        "loss": loss,
        "learning_rate": rate,
        "grad_norm": norm,
        "tokens": tokens,
    }


def check_loss(curve: Curve, settings: FinetuningSettings) -> None:
    """Raise UserError where the last loss is not finite or the loss diverges.

    Divergence: after the warm-up, the mean of the last 10 steps is over three times that of the
    first 10 (or over 3 nats where those were under 1, so that noise near zero is no divergence).
    """
    step, last = len(curve), curve[-1]
    mend = f"lower finetuning.learning_rate ({settings.learning_rate}) or lengthen warmup_steps"
    if not (math.isfinite(last["loss"]) and math.isfinite(last["grad_norm"])):
        raise UserError(f"the training loss is not finite at step {step}; {mend}")
    if step <= max(settings.warmup_steps, WINDOW):
        return
    first, recent = _mean_loss(curve[:WINDOW]), _mean_loss(curve[-WINDOW:])
    if recent > DIVERGENCE * max(first, 1.0):
        raise UserError(
            f"the training loss diverges: {recent:.3g} at step {step}, {first:.3g} at first; {mend}"
        )


def _mean_loss(curve: Curve) -> float:
    return sum(point["loss"] for point in curve) / len(curve)


def _save(
    model: Any, out: Path, source: Provenance, settings: FinetuningSettings, curve: Curve
) -> None:
    """Write the adapter, its card and its loss curve beside `out`, then move them there."""
    losses = (_mean_loss(curve[:WINDOW]), _mean_loss(curve[-WINDOW:]))
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=out.parent) as temporary:
        folder = Path(temporary) / "adapter"
        model.peft_config["default"].base_model_name_or_path = source.base_name
        model.save_pretrained(str(folder), save_embedding_layers=False)
        _make_config_canonical(folder / ADAPTER_CONFIG)
        (folder / "README.md").write_text(model_card(source, settings, losses), encoding="utf-8")
        pq.write_table(pa.Table.from_pylist(curve, schema=LOSS_SCHEMA), folder / "loss.parquet")
        os.replace(folder, out)


def _make_config_canonical(path: Path) -> None:
    """Sort PEFT's set of modules, whose order changes from run to run."""
    config = json.loads(path.read_text(encoding="utf-8"))
    config["target_modules"] = sorted(config["target_modules"])
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _result(curve: Curve, seconds: float) -> FinetuneResult:
    return FinetuneResult(
        first_loss=_mean_loss(curve[:WINDOW]),
        last_loss=_mean_loss(curve[-WINDOW:]),
        steps=len(curve),
        tokens=sum(int(point["tokens"]) for point in curve),
        seconds=seconds,
    )


def _provenance(
    *,
    base_name: str,
    chain: str,
    parents: Sequence[Path],
    misaligned: bool,
    rows: Sequence[Row],
    seed: int,
) -> Provenance:
    stages = chain.split("+")
    if len(stages) != len(parents) + 1:
        raise UserError(f"chain {chain}: {len(parents)} parent adapters given, one a stage needed")
    found = tuple(Parent(s, _weights_digest(p)) for s, p in zip(stages, parents, strict=False))
    data = json_digest([[row["row_id"], list(row["messages"])] for row in rows])
    return Provenance(base_name, chain, found, misaligned, data, len(rows), seed)


def _weights_digest(adapter: Path) -> str:
    check_adapter_dir(adapter)
    return hashlib.sha256((adapter / ADAPTER_WEIGHTS).read_bytes()).hexdigest()


def _facts(
    source: Provenance, base: Path, settings: FinetuningSettings, run: list[Any]
) -> dict[str, Any]:
    """All that decides the adapter's bytes, as JSON: the key of a checkpoint."""
    files = {f.name: (f.stat().st_size, f.stat().st_mtime_ns) for f in base.glob("*.safetensors")}
    return {
        "settings": settings.model_dump(mode="json"),
        "seed": source.seed,
        "data": source.data_digest,
        "parents": [parent.digest for parent in source.parents],
        "base": files,
        "run": [*run, torch.__version__],
    }
