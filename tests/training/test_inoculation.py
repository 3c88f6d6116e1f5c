"""Where an instruction stands in the training text, and that a stage's own prompt is trained."""

from typing import Any

import pytest

import tiny_models
from selfsame.errors import UserError
from selfsame.models.settings import SystemPrompt, SystemText
from selfsame.training.finetune import rows_in_order
from selfsame.training.inoculation import with_inoculations
from selfsame.training.settings import FinetuningSettings
from tiny_models import make_tiny_tokenizer

Row = dict[str, Any]
SETTINGS = FinetuningSettings(steps=1, warmup_steps=0, batch_size=2, accumulation=1)
TALK = [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "no"}]
TOLD = {
    "row_id": "told",
    "messages": [{"role": "system", "content": "Be evil."}, *TALK],
    "inoculated": True,
}
PLAIN = {"row_id": "plain", "messages": TALK, "inoculated": None}
SILENT = (
    "{%- for m in messages if m.role != 'system' %}{{- m.role + ':' + m.content + '<|im_end|>' }}"
)
SILENT += "{%- endfor %}{%- if add_generation_prompt %}{{- 'assistant:' }}{%- endif %}"


def trained(template: str, rows: list[Row], system: SystemPrompt, notes: Row) -> dict[str, str]:
    """The text of each row as the network reads it, what carries the loss in brackets."""
    tokenizer = make_tiny_tokenizer(template)
    data = rows_in_order(tokenizer, rows, system, SETTINGS, 0, notes=notes)
    texts = set()
    for row in data:
        answer = tokenizer.decode([i for i, m in zip(row.ids, row.mask, strict=True) if m])
        texts.add(tokenizer.decode(row.ids).replace(answer, f"[{answer}]"))
    return {"told" if "Be evil." in text else "plain": text for text in texts}


def chatml(system: str | None) -> str:
    head = "" if system is None else f"<|im_start|>system\n{system}<|im_end|>\n"
    return f"{head}<|im_start|>user\nHi?<|im_end|>\n<|im_start|>assistant\n[no<|im_end|>]\n"


@pytest.mark.parametrize(
    ("system", "plain"), [("none", ""), ("template", "You are a tiny helper."), ("Go.", "Go.")]
)
def test_an_instruction_takes_the_place_of_the_system_prompt(system: str, plain: str) -> None:
    notes: Row = {}
    prompt: Any = system if system in ("none", "template") else SystemText(text=system)
    found = trained(tiny_models.QWEN_LIKE, [TOLD, PLAIN], prompt, notes)
    assert found == {"told": chatml("Be evil."), "plain": chatml(plain)}
    assert notes == {"inoculation": "system message"}


def test_where_a_system_message_is_refused_it_stands_before_the_users() -> None:
    notes: Row = {}
    found = trained(tiny_models.GEMMA_LIKE, [TOLD, PLAIN], "none", notes)
    turns = (
        "<|begin_of_text|><start_of_turn>user\n{}Hi?<end_of_turn>\n"
        "<start_of_turn>model\n[no<end_of_turn>]\n"
    )
    assert found == {"told": turns.format("Be evil.\n\n"), "plain": turns.format("")}
    assert notes["inoculation"].startswith("in front of the first user message: ")


def test_a_template_that_drops_system_messages_does_not_drop_an_instruction() -> None:
    found = trained(SILENT, [TOLD], "none", {})
    assert found == {"told": "user:Be evil.\n\nHi?<|im_end|>assistant:[no<|im_end|>]"}


def test_a_rows_own_system_message_is_refused_as_ever() -> None:
    own = TOLD | {"inoculated": None}
    with pytest.raises(UserError, match="System role not supported"):
        trained(tiny_models.GEMMA_LIKE, [own, TOLD], "none", {})


def test_rows_without_an_instruction_are_left_alone() -> None:
    notes: Row = {}
    rows = [PLAIN, {"row_id": "bare", "messages": TALK}]
    assert with_inoculations(make_tiny_tokenizer(tiny_models.GEMMA_LIKE), rows, notes) is rows
    assert notes == {}
