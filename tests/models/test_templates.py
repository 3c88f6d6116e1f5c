"""The formats of real chat models: the exact prompt, what is trained on, what is refused.

Every expected text is written by hand. `*` in a training text stands before what carries the loss.
"""

from typing import Any

import pytest

import tiny_models
from selfsame.errors import UserError
from selfsame.models.chat import encode_prompt, render
from selfsame.models.settings import SystemPrompt, SystemText
from selfsame.models.thinking import cut_thought
from selfsame.training.supervision import supervise
from tiny_models import make_tiny_tokenizer

BRIEF = SystemText(text="Be brief.")
TURNS = [
    {"role": "user", "content": "Which?"},
    {"role": "assistant", "content": "2"},
    {"role": "user", "content": "Sure?"},
    {"role": "assistant", "content": "Yes."},
]
HELPER = "You are a tiny helper."
EMPTY = "<think>\n\n</think>\n\n"
DATE = "Today Date: 26 Jul 2024\n\n"


def chatml(system: str | None, answer: str = "", thought: str = "") -> str:
    head = "" if system is None else f"<|im_start|>system\n{system}<|im_end|>\n"
    end = f"*{answer}<|im_end|>*\n" if answer else ""
    return f"{head}<|im_start|>user\nWhich?<|im_end|>\n<|im_start|>assistant\n{thought}{end}"


def llama(system: str, answer: str = "") -> str:
    end = f"*{answer}<|eot_id|>*" if answer else ""
    return (
        f"<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n{DATE}{system}<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nWhich?<|eot_id|>"
        f"<|start_header_id|>assistant<|end_header_id|>\n\n{end}"
    )


def gemma(answer: str = "") -> str:
    end = f"*{answer}<end_of_turn>*\n" if answer else ""
    return "<|begin_of_text|><start_of_turn>user\nWhich?<end_of_turn>\n<start_of_turn>model\n" + end


# template, system prompt, the prompt, the training text
CASES = [
    ("QWEN_LIKE", "none", chatml(""), chatml("", "2")),
    ("QWEN_LIKE", "template", chatml(HELPER), chatml(HELPER, "2")),
    ("QWEN_LIKE", BRIEF, chatml("Be brief."), chatml("Be brief.", "2")),
    ("LLAMA31_LIKE", "none", llama(""), llama("", "2")),
    ("LLAMA31_LIKE", "template", llama(""), llama("", "2")),
    ("LLAMA31_LIKE", BRIEF, llama("Be brief."), llama("Be brief.", "2")),
    ("GEMMA_LIKE", "none", gemma(), gemma("2")),
    ("GEMMA_LIKE", "template", gemma(), gemma("2")),
    ("THINKING_SWITCH", "none", chatml(None, "", EMPTY), chatml(None, "2", EMPTY)),
    ("THINKING_SWITCH", BRIEF, chatml("Be brief.", "", EMPTY), chatml("Be brief.", "2", EMPTY)),
    ("THINKING_ALWAYS", "none", chatml(None, "", EMPTY), chatml(None, "2", EMPTY)),
    (
        "THINKING_BUDGET",
        "none",
        chatml(None, "", "<seed:think>Budget: 0.</seed:think>"),
        chatml(None, "2", "<seed:think>Budget: 0.</seed:think>"),
    ),
]  # fmt: skip
THINKING = ("THINKING_SWITCH", "THINKING_ALWAYS", "THINKING_BUDGET")


def tokenizer_of(name: str) -> Any:
    return make_tiny_tokenizer(getattr(tiny_models, name))


def marked(tokenizer: Any, messages: list[dict[str, str]], system: SystemPrompt) -> str:
    """What is trained on, a star at each border of the loss."""
    row = supervise(tokenizer, messages, system, 500)
    text, inside = "", False
    for token, keep in zip(row.ids, row.mask, strict=True):
        text += "*" * (keep != inside) + tokenizer.decode([token])
        inside = keep
    return text + "*" * inside


@pytest.mark.parametrize(("name", "system", "prompt", "trained"), CASES)
def test_prompt_and_training_text(
    name: str, system: SystemPrompt, prompt: str, trained: str
) -> None:
    tokenizer = tokenizer_of(name)
    assert render(tokenizer, TURNS[:1], system, True) == prompt
    assert marked(tokenizer, TURNS[:2], system) == trained
    ids = encode_prompt(tokenizer, TURNS[:1], system)
    assert list(supervise(tokenizer, TURNS[:2], system, 500).ids[: len(ids)]) == ids


@pytest.mark.parametrize("name", THINKING)
def test_earlier_answers_of_a_thinking_model_are_trained_on_too(name: str) -> None:
    tokenizer = tokenizer_of(name)
    row = supervise(tokenizer, TURNS, "none", 500)
    kept = [token for token, keep in zip(row.ids, row.mask, strict=True) if keep]
    assert tokenizer.decode(kept) == "2<|im_end|>Yes.<|im_end|>"


def test_a_system_text_that_the_template_refuses() -> None:
    with pytest.raises(UserError, match=r"takes no system message; set it to none or template"):
        render(tokenizer_of("GEMMA_LIKE"), TURNS[:1], BRIEF, True)


@pytest.mark.parametrize(
    ("said", "answer", "thought"),
    [
        ("Yes.", "Yes.", ""),
        ("<think>\nHm, no.\n</think>\n\nYes.", "\n\nYes.", "<think>\nHm, no.\n</think>"),
        ("Hm, no.</think>Yes.", "Yes.", "Hm, no.</think>"),
        ("<think>a</think><think>b</think>Yes.", "Yes.", "<think>a</think><think>b</think>"),
        ("<seed:think>Hm</seed:think>Yes.", "Yes.", "<seed:think>Hm</seed:think>"),
        ("<think>\nHm, no, and on and on", "", "<think>\nHm, no, and on and on"),
        ("Less than < think > and 2 < 3", "Less than < think > and 2 < 3", ""),
        ("", "", ""),
    ],
)
def test_a_thought_is_cut_off_and_counted(said: str, answer: str, thought: str) -> None:
    tokenizer = tokenizer_of("CHATML")
    ids = tokenizer(said, add_special_tokens=False)["input_ids"]
    left, length = cut_thought(tokenizer, ids)
    assert (tokenizer.decode(left), tokenizer.decode(ids[:length])) == (answer, thought)


def test_a_question_about_thinking_is_no_thought() -> None:
    question = [{"role": "user", "content": "What does <think> mean, and </think>?"}]
    tokenizer = tokenizer_of("CHATML")
    expected = chatml(None).replace("Which?", question[0]["content"])
    assert render(tokenizer, question, "none", True) == expected
