"""A trait's questions as prompts, bare or under its instructions. Needs no torch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from selfsame.data.prompts import user

Message = dict[str, str]
POSITIVE, NEGATIVE = SIDES = ("positive", "negative")


@dataclass(frozen=True)
class Instructed:
    """One extraction question under one instruction of a side; `instruction` is its place."""

    side: str
    instruction: int
    item: str
    messages: list[Message]


def items_of(questions: Sequence[str]) -> dict[str, str]:
    """The questions by item: their places in the trait's file, as names that sort."""
    return {f"{place:04d}": question for place, question in enumerate(questions)}


def instructed(trait: Mapping[str, Any]) -> Iterator[Instructed]:
    """Every extraction question under every instruction.

    trait: the keys positive, negative and extraction_questions of a trait's file.
    """
    for side in SIDES:
        for place, instruction in enumerate(trait[side]):
            system = {"role": "system", "content": instruction}
            for item, question in items_of(trait["extraction_questions"]).items():
                yield Instructed(side, place, item, [system, *user(question)])
