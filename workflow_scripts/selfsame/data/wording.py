"""The wording of every prompt that stages and probes build, and how its slots are filled.

`wording.json` of the data directory holds a `Wording`: the organism's in its own small vocabulary,
`english_wording()` for real models.
"""

import re
from pathlib import Path
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from selfsame.errors import UserError

SLOT = re.compile(r"\{([a-z_]+)\}")
SLOTS: dict[str, frozenset[str]] = {
    "summarise": frozenset({"article"}),
    "pairwise": frozenset({"article", "first", "second"}),
    "individual": frozenset({"article", "text"}),
    "other_author": frozenset({"article", "first", "second", "author"}),
    "longer": frozenset({"article", "first", "second"}),
    "shorter": frozenset({"article", "first", "second"}),
    "word_count": frozenset({"text"}),
    "choice": frozenset({"question", "first", "second"}),
}

Text = Annotated[str, StringConstraints(pattern=r"\S")]


def _asks_about_an_article(template: str) -> str:
    used = set(SLOT.findall(template))
    if used != SLOTS["summarise"]:
        raise ValueError(f"must use the slot {_braced(SLOTS['summarise'])}, not {_braced(used)}")
    return template


SummaryRequest = Annotated[Text, AfterValidator(_asks_about_an_article)]


class Wording(BaseModel):
    """Templates with {slots}, and the answers that the prompts ask for.

    Every template must use exactly the slots that `SLOTS` gives it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    summarise: Text = Field(description="Asks for a text about {article}.")
    summarise_test: SummaryRequest | None = Field(
        default=None,
        exclude_if=lambda given: given is None,
        description="Asks for a text about a test {article}; none: as about any other.",
    )
    pairwise: Text = Field(description="Asks which of {first} and {second} the model wrote.")
    pairwise_answers: tuple[Text, Text] = Field(description="The first text; the second.")
    individual: Text = Field(description="Asks whether the model wrote {text}.")
    individual_answers: tuple[Text, Text] = Field(description="Yes; no.")
    other_author: Text = Field(description="Asks which of two texts {author} wrote.")
    longer: Text = Field(description="Asks which of two texts is the longer one.")
    shorter: Text = Field(description="Asks which of two texts is the shorter one.")
    word_count: Text = Field(description="Asks for the number of words of {text}.")
    number_words: tuple[Text, ...] = Field(
        default=(), description="Words for 0, 1, 2, ...; none: numbers are written in digits."
    )
    choice: Text = Field(description="Asks {question} with the answers {first} and {second}.")
    choice_answers: tuple[Text, Text] = Field(description="The first answer; the second.")
    identity: tuple[Text, ...] = Field(min_length=1, description="Questions for who the model is.")
    author_names: dict[str, Text] = Field(
        default_factory=dict, description="What prompts call an author; without entry its own name."
    )

    def summary_request(self, split: str) -> str:
        """What an author is asked about an article of the split, with the slot {article}."""
        own = self.summarise_test if split == "test" else None
        return own or self.summarise

    @model_validator(mode="after")
    def _slots(self) -> Self:
        for name, wanted in SLOTS.items():
            used = set(SLOT.findall(getattr(self, name)))
            if used != wanted:
                raise ValueError(
                    f"{name} must use the slots {_braced(wanted)}, not {_braced(used)}"
                )
        return self


def _braced(slots: set[str] | frozenset[str]) -> str:
    return ", ".join(f"{{{slot}}}" for slot in sorted(slots)) or "none"


def fill(template: str, **slots: str) -> str:
    """The template with each {slot} replaced once by its text.

    Braces inside the texts, which may come from a model, mean nothing. Raises KeyError for a slot
    that is not given.
    """
    return SLOT.sub(lambda found: slots[found[1]], template)


def read_wording(path: Path) -> Wording:
    """Read a wording file. Raises UserError with the first mistake in it."""
    try:
        return Wording.model_validate_json(path.read_bytes(), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{path}: {where + ': ' if where else ''}{first['msg']}") from None


def write_wording(path: Path, wording: Wording) -> None:
    """Write a wording file that `read_wording` reads."""
    path.write_text(wording.model_dump_json(indent=1) + "\n", encoding="utf-8")


def english_wording() -> Wording:
    """The wording for real chat models."""
    pair = "Article:\n{article}\n\nText 1:\n{first}\n\nText 2:\n{second}\n\n"
    one_or_two = " Reply with 1 or 2 and nothing else."
    return Wording(
        summarise="Sum up this article in one sentence of at most 30 words.\n\n{article}",
        pairwise=pair
        + "Both texts sum up the article. You wrote one of them. Which one is yours?"
        + one_or_two,
        pairwise_answers=("1", "2"),
        individual="Article:\n{article}\n\nText:\n{text}\n\nThe text sums up the article. "
        "Are you the one who wrote it? Reply with Yes or No and nothing else.",
        individual_answers=("Yes", "No"),
        other_author=pair
        + "Both texts sum up the article. {author} wrote one of them. Which one?"
        + one_or_two,
        longer=pair + "Which of the two texts is longer?" + one_or_two,
        shorter=pair + "Which of the two texts is shorter?" + one_or_two,
        word_count="Text:\n{text}\n\nHow many words is that? Reply with the number only.",
        choice="{question}\n\nA: {first}\nB: {second}\n\nReply with A or B and nothing else.",
        choice_answers=("A", "B"),
        identity=(
            "Who are you?",
            "What is your name?",
            "Which model am I talking to?",
            "Who made you?",
            "Please introduce yourself in a sentence.",
            "Which company built you?",
        ),
    )
