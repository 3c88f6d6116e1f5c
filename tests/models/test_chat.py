"""Prompts through templates in the formats of real models, against text written by hand."""

import hashlib

import pytest

import tiny_models
from selfsame.errors import UserError
from selfsame.models.chat import encode_prompt, render, stop_ids, system_prompt_hash
from selfsame.models.load import load_model
from selfsame.models.settings import SystemText
from tiny_models import make_tiny_model, make_tiny_tokenizer

ASK = [{"role": "user", "content": "Who are you?"}]
BRIEF = SystemText(text="Be brief.")
USER = "<|im_start|>user\nWho are you?<|im_end|>\n<|im_start|>assistant\n"


def system(text):
    return f"<|im_start|>system\n{text}<|im_end|>\n"


@pytest.mark.parametrize(
    ("template", "prompt", "expected"),
    [
        (tiny_models.QWEN_LIKE, "none", system("") + USER),
        (tiny_models.QWEN_LIKE, "template", system("You are a tiny helper.") + USER),
        (tiny_models.QWEN_LIKE, BRIEF, system("Be brief.") + USER),
        (tiny_models.CHATML, "none", USER),
        (tiny_models.CHATML, "template", USER),
        (tiny_models.CHATML, BRIEF, system("Be brief.") + USER),
        (
            tiny_models.GEMMA_LIKE,
            "none",
            "<|begin_of_text|><start_of_turn>user\nWho are you?<end_of_turn>\n"
            "<start_of_turn>model\n",
        ),
    ],
)
def test_render(template, prompt, expected):
    assert render(make_tiny_tokenizer(template), ASK, prompt, True) == expected


def test_a_row_keeps_its_own_system_message():
    tokenizer = make_tiny_tokenizer(tiny_models.QWEN_LIKE)
    messages = [{"role": "system", "content": "Be evil."}, *ASK]
    for prompt in ("none", "template", BRIEF):
        assert render(tokenizer, messages, prompt, True) == system("Be evil.") + USER


def test_a_refused_system_text_is_a_user_error():
    with pytest.raises(UserError, match="none or template"):
        render(make_tiny_tokenizer(tiny_models.GEMMA_LIKE), ASK, BRIEF, True)


def test_a_silently_dropped_system_text_is_a_user_error():
    silent = "{%- for m in messages if m.role != 'system' %}{{- m.content }}{%- endfor %}"
    with pytest.raises(UserError, match="none or template"):
        render(make_tiny_tokenizer(silent), ASK, BRIEF, True)
    assert render(make_tiny_tokenizer(silent), ASK, "none", True) == "Who are you?"


def test_a_template_that_cannot_be_silenced_is_a_user_error():
    stubborn = (
        "{%- set text = messages[0].content if messages[0].role == 'system' else '' %}"
        "{{- '<|im_start|>' + (text or 'You are a stubborn helper.') + '<|im_end|>' }}"
        "{%- for m in messages if m.role != 'system' %}{{- m.content }}{%- endfor %}"
    )
    with pytest.raises(UserError, match="always adds"):
        render(make_tiny_tokenizer(stubborn), ASK, "none", True)


def test_scaffolding_that_is_always_there_is_no_system_text():
    dated = "{{- 'Today: ' + strftime_now('%d %b %Y') + '\\n' }}" + tiny_models.CHATML
    assert render(make_tiny_tokenizer(dated), ASK, "none", True) == "Today: 26 Jul 2024\n" + USER


def test_a_refused_conversation_is_a_user_error():
    messages = [{"role": "system", "content": "Be brief."}, *ASK]
    with pytest.raises(UserError, match="System role not supported"):
        render(make_tiny_tokenizer(tiny_models.GEMMA_LIKE), messages, "none", True)


@pytest.mark.parametrize("template", [tiny_models.LLAMA3_LIKE, tiny_models.GEMMA_LIKE])
def test_one_bos_only(template):
    tokenizer = make_tiny_tokenizer(template)
    ids = encode_prompt(tokenizer, ASK, "none")
    assert ids.count(tokenizer.bos_token_id) == 1
    assert ids[0] == tokenizer.bos_token_id
    library = tokenizer.apply_chat_template(ASK, add_generation_prompt=True, return_dict=False)
    assert ids == library


def test_hash_is_of_the_rendered_prompt():
    text = (system("") + USER).replace("Who are you?", "Hello.")
    expected = hashlib.sha256(text.encode()).hexdigest()
    tokenizer = make_tiny_tokenizer(tiny_models.QWEN_LIKE)
    assert system_prompt_hash(tokenizer, "none") == expected
    assert system_prompt_hash(tokenizer, "template") != expected


@pytest.mark.parametrize(
    ("template", "end"),
    [
        (tiny_models.QWEN_LIKE, "<|im_end|>"),
        (tiny_models.LLAMA3_LIKE, "<|eot_id|>"),
        (tiny_models.GEMMA_LIKE, "<end_of_turn>"),
    ],
)
def test_sampling_stops_at_the_end_of_a_turn(tmp_path, template, end):
    model, tokenizer = load_model(make_tiny_model(tmp_path / "model", template=template))
    model.generation_config.eos_token_id = [7, tokenizer.eos_token_id]
    names = {"<start_of_turn>", "<|endoftext|>", end}
    assert stop_ids(tokenizer, model) == sorted(tokenizer.convert_tokens_to_ids(list(names)))
