"""The gradient of one optimizer step: forward passes over its rows, fewer at once if memory ends.

A pass gives a sum over tokens, divided by the tokens of the whole step: every token weighs the
same, whichever pass it falls in.
"""

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from selfsame.models.memory import Portion, fits
from selfsame.training.settings import FinetuningSettings
from selfsame.training.supervision import Supervised

IGNORED = -100


def rows_at_once(settings: FinetuningSettings, notes: dict[str, Any] | None = None) -> Portion:
    """The rows of one forward pass, fewer from where memory runs out."""
    return Portion("rows", settings.batch_size, {} if notes is None else notes)


def accumulate_gradients(
    model: Any,
    rows: Sequence[Supervised],
    settings: FinetuningSettings,
    portion: Portion | None = None,
) -> float:
    """Put the gradient of one optimizer step into a model that holds none; return its loss.

    The loss is in nats per supervised token. Where memory runs out the whole step begins again with
    half as many rows in a pass; dropout then draws anew.
    """
    portion = portion or rows_at_once(settings)
    losses: list[float] = []
    while not fits(lambda: losses.append(_in_passes(model, rows, settings, portion.size))):
        # The pass that broke off may have given some of its gradients: none may count twice.
        model.zero_grad(set_to_none=True)
        portion.halve(min(portion.size, len(rows)), len(rows))
    return losses[0]


def _in_passes(
    model: Any, rows: Sequence[Supervised], settings: FinetuningSettings, size: int
) -> float:
    """Add the gradients of all rows, `size` in a forward pass; return the loss.

    Each pass gives a sum over tokens, divided by the tokens of the whole step: every token weighs
    the same, whichever pass it falls in.
    """
    tokens = sum(row.n_supervised for row in rows)
    device = next(model.parameters()).device
    mixed = torch.autocast(device.type, torch.bfloat16, settings.precision == "bfloat16")
    total = torch.zeros((), device=device)
    for start in range(0, len(rows), size):
        ids, labels = pad_right(rows[start : start + size], device)
        with mixed:
            loss = summed_loss(model, ids, labels) / tokens
        loss.backward()
        total += loss.detach()
    return float(total)


def pad_right(rows: Sequence[Supervised], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return ids and labels, both (rows, longest); labels are IGNORED outside the mask.

    Padding lies on the right and carries no loss. Under causal attention no real token sees it,
    so no attention mask is needed and the fast kernel is kept.
    """
    longest = max(len(row.ids) for row in rows)
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    labels = torch.full_like(ids, IGNORED)
    for i, row in enumerate(rows):
        tokens, mask = torch.tensor(row.ids), torch.tensor(row.mask)
        ids[i, : len(tokens)] = tokens
        labels[i, : len(tokens)] = tokens.where(mask, IGNORED)
    return ids.to(device), labels.to(device)


def summed_loss(model: Any, ids: Tensor, labels: Tensor) -> Tensor:
    """Return the summed cross entropy (nats) of the labels that are not IGNORED.

    Logits are computed only at columns before which some row has a label.
    """
    columns = (labels[:, 1:] != IGNORED).any(dim=0).nonzero().squeeze(1)
    targets = labels[:, columns + 1]
    if _keeps_logits(model):
        logits = model(input_ids=ids, use_cache=False, logits_to_keep=columns).logits
    else:
        logits = model(input_ids=ids, use_cache=False).logits[:, columns]
    return functional.cross_entropy(
        logits.float().flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="sum"
    )


def _keeps_logits(model: Any) -> bool:
    """True where the model can compute the logits of chosen positions alone."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    return "logits_to_keep" in inspect.signature(inner.forward).parameters
