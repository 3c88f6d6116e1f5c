"""Prompt and answer as tokens of one text, and plain texts, on templates of real models."""

import pytest

import tiny_models
from selfsame.errors import UserError
from selfsame.models.chat import encode_answered, encode_plain, encode_prompt
from tiny_models import make_tiny_tokenizer

ASK = [{"role": "user", "content": "Who are you?"}]
TEMPLATES = ("QWEN_LIKE", "LLAMA3_LIKE", "GEMMA_LIKE", "THINKING_SWITCH", "THINKING_ALWAYS")
ANSWERS = ("I am a small model.", "yes", "«Ça va»: 12 %", "<|im_end|> and on")


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("name", TEMPLATES)
def test_prompt_and_answer_are_one_text(name: str, answer: str) -> None:
    tokenizer = make_tiny_tokenizer(getattr(tiny_models, name))
    prompt, text = encode_answered(tokenizer, ASK, answer, "none")
    assert tokenizer.decode(text) == answer
    assert prompt == encode_prompt(tokenizer, ASK, "none")
    whole = tokenizer.decode(prompt) + answer
    assert tokenizer(whole, add_special_tokens=False)["input_ids"] == prompt + text


def test_a_token_across_the_border_belongs_to_the_answer() -> None:
    """A template without a mark before the answer, and a word that was trained as one token."""
    ending = "{%- if add_generation_prompt %}{{- ' the cap' }}{% endif %}"
    tokenizer = make_tiny_tokenizer("{{- messages[0].content }}" + ending)
    asked = [{"role": "user", "content": "of"}]
    prompt, text = encode_answered(tokenizer, asked, "ital", "template")
    assert (tokenizer.decode(prompt), tokenizer.decode(text)) == ("of the", " capital")


def test_a_plain_text_follows_the_first_token_there_is() -> None:
    tokenizer = make_tiny_tokenizer(tiny_models.LLAMA3_LIKE)
    first, text = encode_plain(tokenizer, " who? ")
    assert tokenizer.convert_ids_to_tokens(first) == ["<|begin_of_text|>"]
    assert tokenizer.decode(text) == " who? "
    tokenizer.bos_token = None
    first, _ = encode_plain(tokenizer, "who")
    assert tokenizer.convert_ids_to_tokens(first) == ["<|endoftext|>"]
    tokenizer.eos_token = None
    with pytest.raises(UserError, match="neither a bos_token nor an eos_token"):
        encode_plain(tokenizer, "who")
