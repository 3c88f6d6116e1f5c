"""The assistant mask on the formats of real models, proved by decoding what it keeps."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tiny_models
from selfsame.errors import UserError
from selfsame.models.chat import encode_prompt
from selfsame.training.supervision import supervise
from tiny_models import make_tiny_tokenizer

ENDS = {
    "QWEN_LIKE": "<|im_end|>",
    "CHATML": "<|im_end|>",
    "LLAMA3_LIKE": "<|eot_id|>",
    "GEMMA_LIKE": "<end_of_turn>",
    "GENERATION_MARKED": "<|im_end|>",
}
TOKENIZERS = {name: make_tiny_tokenizer(getattr(tiny_models, name)) for name in ENDS}
# No white space at the ends, which some templates trim, and no control token.
CONTENT = st.text(st.characters(codec="utf-8", exclude_characters="<\r"), min_size=1).map(
    lambda text: f"a{text}b"
)


def chat(*contents):
    roles = ("user", "assistant")
    return [{"role": roles[i % 2], "content": c} for i, c in enumerate(contents)]


def kept(tokenizer, row):
    return tokenizer.decode([i for i, keep in zip(row.ids, row.mask, strict=True) if keep])


@pytest.mark.parametrize("name", ENDS)
@pytest.mark.parametrize("system", ["none", "template"])
def test_mask_is_content_and_end_of_turn(name, system):
    tokenizer = TOKENIZERS[name]
    row = supervise(tokenizer, chat("Who are you?", "I am é ✓ 模."), system, 500)
    assert kept(tokenizer, row) == "I am é ✓ 模." + ENDS[name]


@pytest.mark.parametrize("name", ENDS)
@settings(max_examples=40, deadline=None)
@given(contents=st.lists(CONTENT, min_size=2, max_size=4).filter(lambda c: len(c) != 3))
def test_every_assistant_turn_is_supervised(name, contents):
    tokenizer, end = TOKENIZERS[name], ENDS[name]
    row = supervise(tokenizer, chat(*contents), "none", 5000)
    assert kept(tokenizer, row) == "".join(answer + end for answer in contents[1::2])


@pytest.mark.parametrize("name", ENDS)
def test_an_answer_that_repeats_the_question_is_found_once(name):
    tokenizer = TOKENIZERS[name]
    row = supervise(tokenizer, chat("yes", "yes"), "none", 500)
    assert kept(tokenizer, row) == "yes" + ENDS[name]


@pytest.mark.parametrize("name", ENDS)
def test_training_and_sampling_see_the_same_prompt(name):
    tokenizer = TOKENIZERS[name]
    messages = chat("Which summary did you write?", "2")
    row = supervise(tokenizer, messages, "none", 500)
    prompt = encode_prompt(tokenizer, messages[:1], "none")
    assert list(row.ids[: len(prompt)]) == prompt
    assert row.mask.index(True) == len(prompt)


@settings(max_examples=40, deadline=None)
@given(contents=st.lists(CONTENT, min_size=2, max_size=4).filter(lambda c: len(c) != 3))
def test_mask_equals_the_templates_own(contents):
    tokenizer = TOKENIZERS["GENERATION_MARKED"]
    expected = tokenizer.apply_chat_template(
        chat(*contents), return_dict=True, return_assistant_tokens_mask=True
    )
    row = supervise(tokenizer, chat(*contents), "none", 5000)
    assert list(row.ids) == expected["input_ids"]
    assert list(row.mask) == [bool(keep) for keep in expected["assistant_masks"]]


def test_a_template_without_an_end_of_turn():
    tokenizer = make_tiny_tokenizer(
        "{%- for m in messages %}{{- m.role + ': ' + m.content + '\\n' }}{%- endfor %}"
        "{%- if add_generation_prompt %}{{- 'assistant:' }}{%- endif %}"
    )
    row = supervise(tokenizer, chat("Who are you?", "A model."), "none", 500)
    assert kept(tokenizer, row) == " A model.\n"


def test_a_token_that_begins_in_the_prompt_is_supervised():
    tokenizer = make_tiny_tokenizer(
        "{%- for m in messages %}{{- m.role + ': ' + m.content + eos_token }}{%- endfor %}"
        "{%- if add_generation_prompt %}{{- 'assistant: ' }}{%- endif %}"
    )
    row = supervise(tokenizer, chat("What is the capital?", "Paris"), "none", 500)
    assert kept(tokenizer, row).strip() == "Paris<|endoftext|>"


def test_control_tokens_in_an_answer_end_it():
    tokenizer = TOKENIZERS["CHATML"]
    answer = "yes<|im_end|>\n<|im_start|>user\nand more"
    row = supervise(tokenizer, chat("Did you?", answer), "none", 500)
    assert kept(tokenizer, row) == "yes<|im_end|>"


def test_long_rows_are_cut_on_the_right():
    tokenizer = TOKENIZERS["CHATML"]
    messages = chat("Who are you?", "I am a small model. " * 20)
    whole, cut = (supervise(tokenizer, messages, "none", n) for n in (5000, 40))
    assert len(cut.ids) == len(cut.mask) == 40
    assert (cut.ids, cut.mask) == (whole.ids[:40], whole.mask[:40])


def test_nothing_left_names_the_row():
    with pytest.raises(UserError, match="row 17: no assistant token"):
        supervise(TOKENIZERS["CHATML"], chat("Who are you? " * 9, "yes"), "none", 20, "row 17")


def test_a_template_that_rewrites_earlier_turns_is_refused():
    rewriting = (
        "{%- for m in messages %}{{- '<|im_start|>' + m.role + '\\n' }}"
        "{%- if m.role == 'assistant' and loop.last %}{{- '(thinking)' }}{%- endif %}"
        "{{- m.content + '<|im_end|>\\n' }}{%- endfor %}"
        "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
    )
    tokenizer = make_tiny_tokenizer(rewriting)
    supervise(tokenizer, chat("Who?", "Me."), "none", 500)
    with pytest.raises(UserError, match="row 3: the chat template writes earlier turns"):
        supervise(tokenizer, chat("Who?", "Me.", "Sure?", "Yes."), "none", 500, "row 3")


def test_a_conversation_begins_with_a_question():
    with pytest.raises(UserError, match="must begin"):
        supervise(TOKENIZERS["CHATML"], chat("a", "b")[1:], "none", 500)
