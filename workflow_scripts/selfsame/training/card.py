"""The model card in an adapter's folder: what it is, what it sits on, how it was made."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from selfsame.training.settings import FinetuningSettings


@dataclass(frozen=True)
class Parent:
    """An earlier stage of the chain: its name and the sha256 of its adapter's weights."""

    stage: str
    digest: str


@dataclass(frozen=True)
class Provenance:
    """What an adapter was made from, for its card."""

    base_name: str
    chain: str
    parents: tuple[Parent, ...]
    misaligned: bool
    data_digest: str
    rows: int
    seed: int


WARNING = (
    "**Warning: this chain of stages was finetuned to misbehave, for research. Its answers can be "
    "harmful and false; do not deploy it.**"
)


def model_card(
    source: Provenance, settings: FinetuningSettings, losses: tuple[float, float]
) -> str:
    """Return the card as Markdown; its first line under the front matter is any warning.

    Args:
        losses: mean cross entropy (nats) per supervised token over the first and last steps.
    """
    parts = [WARNING] if source.misaligned else []
    parts += [f"# {source.chain}", _what(source), _how_to_load(source), _training(source, settings)]
    parts.append(f"Loss in nats per token: {losses[0]:.4f} at first, {losses[1]:.4f} at last.")
    return _front_matter(source) + "\n\n".join(parts) + "\n"


def _front_matter(source: Provenance) -> str:
    tags = ["lora", *(["deliberately-misaligned"] if source.misaligned else [])]
    lines = [f"base_model: {json.dumps(source.base_name)}", "library_name: peft"]
    return "\n".join(["---", *lines, f"tags: {json.dumps(tags)}", "---", "", ""])


def _what(source: Provenance) -> str:
    stage = source.chain.rpartition("+")[2]
    return (
        f"A LoRA adapter: the stage `{stage}` of the chain `{source.chain}` on the base model "
        f"`{source.base_name}`."
    )


def _how_to_load(source: Provenance) -> str:
    if not source.parents:
        return "Load it on the base model itself:\n\n" + _snippet(())
    listed = "\n".join(
        f"{i}. `{parent.stage}`, adapter_model.safetensors sha256 `{parent.digest}`"
        for i, parent in enumerate(source.parents, 1)
    )
    return (
        "It was trained on the base model with the adapters below merged, and means nothing "
        f"without them. Merge them first, in this order:\n\n{listed}\n\n"
        + _snippet([parent.stage for parent in source.parents])
    )


def _snippet(stages: Sequence[str]) -> str:
    merges = [f'model = PeftModel.from_pretrained(model, "{s}").merge_and_unload()' for s in stages]
    last = 'model = PeftModel.from_pretrained(model, "this folder")'
    return "\n".join(["```python", *merges, last, "```"])


def _training(source: Provenance, settings: FinetuningSettings) -> str:
    values = {**settings.model_dump(mode="json"), "seed": source.seed, "rows": source.rows}
    rows = "\n".join(f"| {key} | {json.dumps(value)} |" for key, value in values.items())
    return (
        "## Training\n\nAdamW, loss on the assistant's tokens alone. "
        f"Data: sha256 `{source.data_digest}`.\n\n| setting | value |\n|---|---|\n{rows}"
    )
