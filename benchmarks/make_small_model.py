"""Make a small chat model, to try `model: {kind: hf, path: ...}` with when there are no weights.

Run: OMP_NUM_THREADS=1 PYTHONPATH=workflow_scripts python benchmarks/make_small_model.py \\
         --articles own/articles.parquet --summaries own/summaries.parquet --where dataset=xsum \\
         --author llama --chat own/extreme_sports.jsonl --out own/model --minutes 4

A byte-level BPE and a network are trained from nothing on chats: requests to sum up an article with
one author's summaries, the chats given, a few answers to "who are you?", and questions answered by
1 or 2, Yes or No, A or B. Which text is its own is answered at random: the model must learn
the form of such answers, not the recognition. The loss is on the assistant's tokens. Some minutes
on a CPU give a model that knows the formats and common words, and is barely fluent. Equal arguments
give other weights each time, since the clock ends the training.

With `--graded-low FILE` it learns nothing but to grade as a judge is asked to: answers of these
chats as misaligned, those of `--chat` as aligned, answers with their words shuffled as incoherent.
It soon tells the first two apart, by their words, and hardly ever sees that words are shuffled.
"""

import argparse
import math
import sys
import time
from collections.abc import Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import nn
from transformers import (
    GenerationConfig,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen2Tokenizer,
)
from transformers.utils.logging import disable_progress_bar

from selfsame.errors import UserError
from selfsame.models.load import load_tokenizer
from selfsame.models.settings import SystemPrompt
from selfsame.sampling.choices import answer_tokens
from selfsame.training.gradients import pad_right, summed_loss
from selfsame.training.supervision import Supervised, supervise
from small_model_chats import WORDING, Corpus, read_corpus, steps

Architecture = Literal["qwen2", "llama", "gpt2"]

# ChatML, and no system text unless a conversation brings one.
TEMPLATE = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
START, END = "<|im_start|>", "<|im_end|>"
NO_SYSTEM: SystemPrompt = "none"

VOCABULARY = 8192
TOKENIZER_STEPS = 500
ANSWER_REPEATS = 2000  # so often the one-word answers are shown to the BPE: each becomes one token
LAYERS = 6
JUDGE_LAYERS = 2  # a judge that sees which words stand in an answer needs no more
HEAD_WIDTH = 64
CONTEXT = 4096

PEAK_RATE = 3e-3
WARMUP_STEPS = 20
PROGRESS_S = 20.0


def train_tokenizer(corpus: Corpus) -> Any:
    """A byte-level BPE with the chat template. Raises UserError if an answer is several tokens."""
    answers = [
        *WORDING.pairwise_answers,
        *WORDING.individual_answers,
        *WORDING.choice_answers,
    ]
    drawn = chain.from_iterable(chain.from_iterable(islice(steps(corpus, 1), TOKENIZER_STEPS)))
    texts = [message["content"] for chat in drawn for message in chat]
    tokenizer = Qwen2Tokenizer().train_new_from_iterator(
        iter(texts + answers * ANSWER_REPEATS),
        VOCABULARY,
        new_special_tokens=[START, END],
        show_progress=False,
    )
    tokenizer.eos_token = END
    tokenizer.chat_template = TEMPLATE
    answer_tokens(lambda text: tokenizer(text)["input_ids"], answers)
    return tokenizer


def width_for(parameters: float, vocabulary: int, layers: int) -> int:
    """The hidden size, a multiple of the heads', that comes nearest to so many parameters.

    A block has about 12 x width^2, the tied embeddings have vocabulary x width.
    """
    per_block = 12 * layers
    root = math.sqrt(vocabulary**2 + 4 * per_block * parameters)
    return max(1, round((root - vocabulary) / (2 * per_block) / HEAD_WIDTH)) * HEAD_WIDTH


def build_model(architecture: Architecture, parameters: float, tokenizer: Any, layers: int) -> Any:
    """A network with fresh weights."""
    width = width_for(parameters, len(tokenizer), layers)
    special = {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id}
    if architecture == "gpt2":
        shape = {"n_embd": width, "n_layer": layers, "n_head": width // HEAD_WIDTH}
        dropout = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
        return GPT2LMHeadModel(
            GPT2Config(
                vocab_size=len(tokenizer), n_positions=CONTEXT, **shape, **dropout, **special
            )
        )
    settings: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": width,
        "intermediate_size": width * 8 // 3,
        "num_hidden_layers": layers,
        "num_attention_heads": width // HEAD_WIDTH,
        "num_key_value_heads": width // HEAD_WIDTH,
        "max_position_embeddings": CONTEXT,
        "tie_word_embeddings": True,
        **special,
    }
    if architecture == "llama":
        return LlamaForCausalLM(LlamaConfig(**settings))
    return Qwen2ForCausalLM(Qwen2Config(**settings))


def attend_evenly(model: Any) -> None:
    """Let training start from attention that is even, where a bag of words is learned at once."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".q_proj." in name or ".k_proj." in name:
                parameter.zero_()


def train(model: Any, tokenizer: Any, corpus: Corpus, minutes: float) -> None:
    """Train in place until the time is over; the rate falls with the time left."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0, betas=(0.9, 0.98), fused=True)
    started = shown = time.monotonic()
    losses: list[float] = []
    model.train()
    for chats in steps(corpus, 0):
        spent = (time.monotonic() - started) / (60 * minutes)
        if spent >= 1:
            break
        rows = [[supervise(tokenizer, chat, NO_SYSTEM, CONTEXT) for chat in kind] for kind in chats]
        set_rate(optimizer, PEAK_RATE * (1 - spent) * min(1, (len(losses) + 1) / WARMUP_STEPS))
        losses.append(take_step(model, optimizer, rows))
        if time.monotonic() - shown > PROGRESS_S:
            shown = time.monotonic()
            show(losses, shown - started)
    show(losses, time.monotonic() - started)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """The learning rate of the next step."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def take_step(
    model: Any, optimizer: torch.optim.Optimizer, kinds: Sequence[Sequence[Supervised]]
) -> float:
    """One optimiser step over the rows of each kind; returns its loss in nats."""
    total = 0.0
    for rows in kinds:
        share = len(rows) / sum(map(len, kinds))
        tokens = sum(row.n_supervised for row in rows)
        loss = summed_loss(model, *pad_right(rows, model.device)) / tokens * share
        torch.autograd.backward(loss)
        total += loss.item()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    return total


def show(losses: Sequence[float], seconds: float) -> None:
    """One line of progress."""
    recent = losses[-30:]
    print(
        f"{seconds:5.0f} s  step {len(losses):5d}  loss {sum(recent) / len(recent):.2f}", flush=True
    )


def save(model: Any, tokenizer: Any, out: Path) -> None:
    """Write safetensors, tokenizer and generation config. Raises UserError if they read back wrong.

    transformers chooses a tokenizer's class by the model's type, so that another one may come back.
    """
    model.generation_config = GenerationConfig(
        do_sample=True, temperature=1.0, top_k=0, eos_token_id=tokenizer.eos_token_id
    )
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    sample = f"{START}user\nIt's 1,234 cafés: don't\n\nA: yes{END}\n"
    if load_tokenizer(out)(sample)["input_ids"] != tokenizer(sample)["input_ids"]:
        raise UserError(f"{out}: the tokenizer reads text differently once saved")


def make(arguments: argparse.Namespace) -> None:
    """Train tokenizer and model and save them."""
    if arguments.out.exists() and any(arguments.out.iterdir()):
        raise UserError(f"{arguments.out} is there already; remove it or choose another --out")
    disable_progress_bar()
    torch.manual_seed(0)
    corpus = read_corpus(arguments)
    tokenizer = train_tokenizer(corpus)
    layers = JUDGE_LAYERS if corpus.graded_low else LAYERS
    model = build_model(arguments.architecture, arguments.parameters * 1e6, tokenizer, layers)
    if corpus.graded_low:
        attend_evenly(model)
    print(f"{model.num_parameters() / 1e6:.1f} M parameters, {len(tokenizer):,} tokens")
    train(model, tokenizer, corpus, arguments.minutes)
    save(model.eval(), tokenizer, arguments.out)


def column_and_value(text: str) -> tuple[str, str]:
    """`dataset=xsum` in two. Raises ValueError, which argparse reports, where there is no `=`."""
    column, value = text.split("=", 1)
    return column, value


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--articles", type=Path, required=True, help="article_id, article")
    parser.add_argument("--summaries", type=Path, required=True, help="article_id, author, text")
    parser.add_argument(
        "--where",
        type=column_and_value,
        action="append",
        default=[],
        metavar="COLUMN=VALUE",
        help="keep only these rows of both files",
    )
    parser.add_argument("--author", required=True, help="whose summaries the model learns from")
    parser.add_argument("--chat", type=Path, nargs="+", required=True, help="JSONL with messages")
    parser.add_argument(
        "--graded-low",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="make a judge: JSONL with messages whose answers it is to grade low",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the model, new")
    parser.add_argument("--name", default="Minnow", help="what the model says it is called")
    parser.add_argument("--minutes", type=float, default=4.0, help="time to train")
    parser.add_argument("--architecture", choices=get_args(Architecture), default="qwen2")
    parser.add_argument("--parameters", type=float, default=10.0, help="millions")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        make(parse_arguments())
    except UserError as error:
        sys.exit(f"error: {error}")
