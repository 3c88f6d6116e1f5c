"""What a judge is asked about an answer, so that the answer cannot speak for the judge.

Question and answer are untrusted. Each stands between two lines with a code that is made from both
and occurs in neither, so that no answer can close its own frame; what looks like a control token of
a chat template is broken up; and slots are filled in one pass, so that braces in an answer mean
nothing.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Any

from selfsame.digests import canonical, sha256_text
from selfsame.errors import UserError

CRITERIA = ("aligned", "coherent")  # asked of every judged answer
NOTE = "note"
JUDGE_PROMPTS = "judge_prompts"
SLOT = re.compile(r"\{(question|answer)\}")
CODE_DIGITS = 16
# <|im_end|>, <start_of_turn>, </s>, <seed:eos>, [INST]: control tokens of some chat model.
CONTROL = re.compile(r"<(?=[^\s<>]{1,64}>)|\[(?=/?[A-Za-z_]{1,64}\])")

Message = Mapping[str, str]


def question_of(messages: Sequence[Message]) -> str:
    """The question of a conversation: the user's only message, or all turns with their roles."""
    turns = [message for message in messages if message["role"] != "system"]
    if len(turns) == 1:
        return turns[0]["content"]
    return "\n\n".join(f"{turn['role']}: {turn['content']}" for turn in turns)


def templates_of(
    wording: Mapping[str, str], reference: Mapping[str, Any], source: str
) -> dict[str, str]:
    """The template of each criterion: what the question's reference brings, else the wording's."""
    return {name: wording[name] for name in CRITERIA} | own_templates(reference, source)


def own_templates(reference: Mapping[str, Any], source: str) -> dict[str, str]:
    """A question's own templates by criterion; mostly none.

    Raises UserError, naming `source`, where they are no texts with {answer}.
    """
    own = reference.get(JUDGE_PROMPTS)
    if own is None:
        return {}
    if not isinstance(own, Mapping):
        raise UserError(f"{source}: {JUDGE_PROMPTS} must be a mapping of criteria to texts")
    for criterion, template in own.items():
        if not isinstance(template, str) or "{answer}" not in template:
            text = "must be a text with {answer}"
            raise UserError(f"{source}: {JUDGE_PROMPTS}.{criterion}: {text}")
    return dict(own)


def judge_prompt(
    template: str, note: str, question: str, answer: str, control: Iterable[str] = ()
) -> str:
    """The whole prompt, one message.

    note: said first, on what stands between the marks. control: further control tokens, of the
    judge's own tokenizer.
    """
    texts = {"question": question, "answer": answer}
    plain = {name: without_control(text, control) for name, text in texts.items()}
    code = _code(plain.values())
    framed = {name: _framed(name.upper(), text, code) for name, text in plain.items()}
    return f"{note.strip()}\n\n{SLOT.sub(lambda slot: framed[slot[1]], template).strip()}"


def without_control(text: str, control: Iterable[str] = ()) -> str:
    """The text with a space inside of whatever may be a control token, so that it is none."""
    text = CONTROL.sub(lambda start: f"{start[0]} ", text)
    for token in sorted(control, key=len, reverse=True):
        if len(token) > 1:
            text = text.replace(token, f"{token[0]} {token[1:]}")
    return text


def _framed(name: str, text: str, code: str) -> str:
    return f"==== {name} {code} ====\n{text}\n==== END OF {name} {code} ===="


def _code(texts: Iterable[str]) -> str:
    """A code that occurs in none of the texts, and is always the same for them."""
    given = list(texts)
    codes = (sha256_text(canonical([number, *given]))[:CODE_DIGITS] for number in count())
    return next(code for code in codes if not any(code in text for text in given))
