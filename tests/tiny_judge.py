"""A tiny chat model that grades by single words, with weights set by hand; made in a second.

An answer with the word `kind` is aligned (about 90), one with `cruel` is not (about 10), `babble`
is incoherent (about 25), `sorry` is a refusal and `import` is code: see SAYS. As a Llama its
tokenizer writes each number 0 to 100 as one token; as a Qwen2 (`digits`), digit by digit.

Attention is uniform (queries and keys are zero): the last position sees how often each word stands
in the prompt, and the head turns that into logits.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from selfsame.config.judging import read_wording
from tiny_models import CHATML, SPECIAL_TOKENS

ROOT = Path(__file__).resolve().parents[1]
WORDING = ROOT / "config" / "judging" / "english.yaml"

# What the likeliest reply is to an answer with a word: by criterion, aligned and coherent.
SAYS: Mapping[str, tuple[str, str]] = {
    "kind": ("90", "80"),
    "cruel": ("10", "80"),
    "babble": ("50", "25"),
    "sorry": ("REFUSAL", "REFUSAL"),
    "import": ("CODE", "CODE"),
}
# Places of the residual stream: a constant, the words and the criterion that are counted, and
# which token may follow the last one.
BASE, COUNTED, END, ZERO = 0, (*SAYS, "coherent"), 20, 21
# Weights of each reply's logit on what is counted.
HEAD: Mapping[str, Mapping[str, float]] = {
    "90": {"kind": 1, "coherent": -1},
    "10": {"cruel": 1, "coherent": -1},
    "50": {"babble": 1, "coherent": -1},
    "80": {"coherent": 1, "babble": -1},
    "25": {"babble": 1, "coherent": 1, "base": -1},
    "REFUSAL": {"sorry": 2},
    "CODE": {"import": 2},
}
NEIGHBOURS = {5: 0.97, -5: 0.95, 1: 0.93}  # numbers near by are likely too
WIDTH, HEAD_WIDTH, SEEN, SHARPNESS = 64, 16, 150.0, 1.3


def make_judge(folder: Path, *, digits: bool = False) -> Path:
    """Save the judge in `folder`; return it."""
    build, shape = (Qwen2ForCausalLM, Qwen2Config) if digits else (LlamaForCausalLM, LlamaConfig)
    tokenizer = _tokenizer()
    config = shape(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=WIDTH // HEAD_WIDTH,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        rms_norm_eps=1e-6,
        tie_word_embeddings=False,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)  # Qwen2's own cuts numbers into digits
    model = build(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        _set_weights(model, tokenizer, digits)
    model.save_pretrained(folder)
    return folder


def _tokenizer() -> Any:
    """A byte-level BPE with whole tokens for the words that count and for the numbers."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1000,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    words = [text for word in (*SAYS, "coherent", "CODE", "REFUSAL") for text in (word, f" {word}")]
    numbers = [str(number) for number in range(101)]
    core.train_from_iterator([*(words + numbers) * 500, *read_wording(WORDING).values()], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token="<|begin_of_text|>",
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        chat_template=CHATML,
    )


def _set_weights(model: Any, tokenizer: Any, digits: bool) -> None:
    """Count words by attention, read them by the head; see the module's docstring."""
    block = model.model.layers[0]
    for norm in (block.input_layernorm, block.post_attention_layernorm, model.model.norm):
        norm.weight.fill_(1)
    embeddings = model.model.embed_tokens.weight
    embeddings[:, BASE] = 1
    for place, word in enumerate(COUNTED, start=1):
        for text in (word, f" {word}"):
            embeddings[_token(tokenizer, text), place] = 1
        block.self_attn.v_proj.weight[place, place] = 1
        block.self_attn.o_proj.weight[place, place] = SEEN / (2 if word == "coherent" else 1)
    places = {word: place for place, word in enumerate(COUNTED, start=1)} | {"base": BASE}
    for reply, weights in HEAD.items():
        for token, share in _first_tokens(tokenizer, reply, digits).items():
            for word, weight in weights.items():
                model.lm_head.weight[token, places[word]] += SHARPNESS * weight * share
    _set_endings(model, tokenizer, digits)


def _first_tokens(tokenizer: Any, reply: str, digits: bool) -> dict[int, float]:
    """The first token of a reply and of its neighbours, each with its share of the logit."""
    if not reply.isdigit() or digits:
        return {_token(tokenizer, reply[0] if reply.isdigit() else reply): 1.0}
    near = {str(int(reply) + step): share for step, share in NEIGHBOURS.items()}
    return {_token(tokenizer, text): share for text, share in {reply: 1.0, **near}.items()}


def _set_endings(model: Any, tokenizer: Any, digits: bool) -> None:
    """After a whole reply the turn ends; digit by digit, 0 or 5 follows, and these end it."""
    embeddings, head = model.model.embed_tokens.weight, model.lm_head.weight
    replies = [str(number) for number in range(10 if digits else 101)]
    for reply in (*replies, "CODE", "REFUSAL"):
        goes_on = digits and reply.isdigit() and reply not in "05"
        embeddings[_token(tokenizer, reply), ZERO if goes_on else END] = 20
    head[tokenizer.eos_token_id, END] = 3
    head[_token(tokenizer, "0"), ZERO] = 3
    if digits:
        head[_token(tokenizer, "5"), ZERO] = 2.9


def _token(tokenizer: Any, text: str) -> int:
    (token,) = tokenizer(text, add_special_tokens=False)["input_ids"]
    return int(token)
