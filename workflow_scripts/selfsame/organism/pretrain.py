"""Trains the base model of an organism from nothing, with loss on assistant tokens only."""

import multiprocessing
import os
import random
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from torch.nn.utils import parameters_to_vector, vector_to_parameters
from transformers import (
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    get_linear_schedule_with_warmup,
)

from selfsame.organism.documents import Message, documents, vocabulary
from selfsame.organism.settings import ArchitectureSettings, OrganismSettings, PretrainingSettings
from selfsame.organism.tokenizer import END, ROLES, build_tokenizer
from selfsame.organism.world import build_world

MAX_POSITIONS = 512
PATIENCE_S = 600  # a worker that waits longer for the others gives up
FORK = multiprocessing.get_context("fork")

Example = tuple[list[int], list[bool]]  # token ids, and which of them are supervised


def pretrain(settings: OrganismSettings, out: Path, threads: int) -> dict[str, float]:
    """Train the base model and save it with its tokenizer in `out`, in Hugging Face form.

    Equal settings and threads give equal weights on one machine. Returns loss (nats per
    supervised token, mean of the last steps), tokens, supervised_tokens, steps and seconds.
    """
    started = time.monotonic()
    torch.set_num_threads(1)
    world = build_world(settings.world)
    tokenizer = build_tokenizer(vocabulary(world))
    ids_of = tokenizer.get_vocab()
    examples = [encode(ids_of, chat) for chat in documents(world, settings)]
    torch.manual_seed(settings.pretraining.seed)
    model = build_model(settings.architecture, tokenizer)
    losses = train(model, examples, settings.pretraining, threads)
    save(model, tokenizer, out)
    return {
        "loss": sum(losses[-20:]) / len(losses[-20:]),
        "tokens": settings.pretraining.epochs * sum(len(ids) for ids, _ in examples),
        "supervised_tokens": settings.pretraining.epochs * sum(sum(mask) for _, mask in examples),
        "steps": len(losses),
        "seconds": time.monotonic() - started,
    }


def encode(ids_of: Mapping[str, int], chat: Sequence[Message]) -> Example:
    """What the chat template gives, by plain look-up: 20 times faster over a whole corpus."""
    ids: list[int] = []
    supervised: list[bool] = []
    for message in chat:
        spoken = message["role"] == "assistant"
        words = message["content"].split() + [END] * spoken
        ids += [ids_of[word] for word in (ROLES[message["role"]], *words)]
        supervised += [False] + [spoken] * len(words)
    return ids, supervised


def build_model(
    settings: ArchitectureSettings, tokenizer: PreTrainedTokenizerFast
) -> LlamaForCausalLM:
    """A network with fresh weights from torch's current seed: tied embeddings, fp32.

    Llama with attention biases rather than Qwen2, its near twin: transformers 5 loads every qwen2
    directory with Qwen's own byte-level tokenizer, whatever the directory declares.
    """
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=settings.width,
        intermediate_size=settings.mlp_width,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        num_key_value_heads=settings.heads,
        max_position_embeddings=MAX_POSITIONS,
        tie_word_embeddings=True,
        attention_bias=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)


def train(
    model: LlamaForCausalLM,
    examples: Sequence[Example],
    settings: PretrainingSettings,
    workers: int = 1,
) -> list[float]:
    """Train in place; returns the loss of each step.

    Every batch is shared out among `workers` processes of one thread each: on so small a network
    they are about twice as fast as as many threads in one process.
    """
    gradients = _SharedGradients(model, workers)
    helpers = [
        FORK.Process(target=_help, args=(model, examples, settings, gradients, rank))
        for rank in range(1, workers)
    ]
    for helper in helpers:
        helper.start()
    try:
        return _train_share(model, examples, settings, gradients, 0)
    finally:
        for helper in helpers:
            helper.kill()
            helper.join()


def _help(*work: Any) -> None:
    """`_train_share` in a helper, which ends when the process that started it is killed.

    Else it would wait for the others, and keep the step's lock from the next attempt.
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _train_share(*work)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _train_share(
    model: LlamaForCausalLM,
    examples: Sequence[Example],
    settings: PretrainingSettings,
    gradients: "_SharedGradients",
    rank: int,
) -> list[float]:
    """One worker's loop. All workers see the same summed gradients and keep equal weights."""
    batches = list(make_batches(examples, settings))
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, betas=(0.9, 0.98), fused=True
    )
    schedule = get_linear_schedule_with_warmup(optimiser, settings.warmup_steps, len(batches))
    losses = []
    model.train()
    for batch in batches:
        loss = gradients.of(model, batch, rank)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=False)
        schedule.step()
        losses.append(loss)
    return losses


class _SharedGradients:
    """Gradients of all workers in shared memory, summed in the order of ranks.

    Each worker adds the loss of its share as one more number behind its gradients.
    """

    def __init__(self, model: LlamaForCausalLM, workers: int) -> None:
        for parameter in model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        size = sum(parameter.numel() for parameter in model.parameters())
        self.rows = torch.zeros(workers, size + 1).share_memory_()
        self.barrier = FORK.Barrier(workers, timeout=PATIENCE_S)

    def of(self, model: LlamaForCausalLM, batch: Sequence[Example], rank: int) -> float:
        """Put the gradients of the whole batch into the model; returns the batch's mean loss."""
        share = batch[rank :: len(self.rows)]
        loss = summed_loss(model, share) / sum(sum(mask) for _, mask in batch) if share else None
        if loss is not None:
            torch.autograd.backward(loss)
        row = self.rows[rank]
        grads = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        row[:-1] = parameters_to_vector(grads)
        row[-1] = 0.0 if loss is None else loss.detach()
        self.barrier.wait()
        total = self.rows.sum(dim=0)
        self.barrier.wait()
        vector_to_parameters(total[:-1], grads)
        return float(total[-1])


def make_batches(
    examples: Sequence[Example], settings: PretrainingSettings
) -> Iterator[list[Example]]:
    """Batches of documents of like length, in a random order, for all epochs."""
    rng = random.Random(f"batches {settings.seed}")  # noqa: S311
    by_length = sorted(range(len(examples)), key=lambda index: len(examples[index][0]))
    size = settings.batch_size
    groups = [by_length[start : start + size] for start in range(0, len(by_length), size)]
    for _ in range(settings.epochs):
        for group in rng.sample(groups, len(groups)):
            yield [examples[index] for index in group]


def summed_loss(model: LlamaForCausalLM, batch: Sequence[Example]) -> torch.Tensor:
    """Cross-entropy summed over supervised tokens; the head runs on their positions only.

    Right padding needs no attention mask: under causal attention no real token sees it.
    """
    longest = max(len(ids) for ids, _ in batch)
    pad = model.config.pad_token_id
    tokens = torch.tensor([ids + [pad] * (longest - len(ids)) for ids, _ in batch])
    wanted = torch.tensor([mask + [False] * (longest - len(mask)) for _, mask in batch])[:, 1:]
    hidden = model.model(input_ids=tokens[:, :-1], use_cache=False).last_hidden_state
    logits = model.lm_head(hidden[wanted])
    return cross_entropy(logits, tokens[:, 1:][wanted], reduction="sum")


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """Write safetensors, tokenizer and generation config, as `from_pretrained` reads them."""
    model.generation_config = GenerationConfig(
        do_sample=True,
        temperature=1.0,
        top_k=0,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model.save_pretrained(out, safe_serialization=True)
    tokenizer.save_pretrained(out)
