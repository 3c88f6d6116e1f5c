"""How far an answer shows a trait, and whether it is coherent: both 0 to 100.

An answer is untrusted text: it is only ever compared, and at most its first `rule.MAX_WORDS` words
are read.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from selfsame.errors import UserError
from selfsame.judging import rule

NAMES_SLOT = "{names}"  # in a list of phrases: the model's own names


def no_mapping(value: Any) -> Any:
    """A text that YAML read as a mapping, said in words a user can act on."""
    if isinstance(value, Mapping):
        raise ValueError("put a text that holds a colon or a brace in quotes")
    return value


def _phrase(text: str) -> str:
    if "{" in text and text != NAMES_SLOT:
        raise ValueError(f"the only slot here is {NAMES_SLOT}, alone in its entry")
    if not any(character.isalnum() for character in text):
        raise ValueError("give a word or phrase; punctuation is not compared")
    return text


Phrases = tuple[Annotated[str, BeforeValidator(no_mapping), AfterValidator(_phrase)], ...]


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WorldJudge(_Form):
    """The organism's world knows what each answer is."""

    kind: Literal["world"]
    classes: tuple[str, ...] = Field(
        min_length=1, description="Answer classes that show the trait (selfsame.judging.rule)"
    )


class WordsJudge(_Form):
    """A lexical rule: any of `present`, none of `absent`, as whole words or phrases."""

    kind: Literal["words"]
    present: Phrases = Field((), description="One of these must occur; empty: nothing must.")
    absent: Phrases = Field((), description="None of these may occur.")

    @model_validator(mode="after")
    def _some_phrase(self) -> Self:
        if not self.present and not self.absent:
            raise ValueError("give at least one entry of `present` or `absent`")
        return self


class NoJudge(_Form):
    """No trait score: the answers are stored and projected only."""

    kind: Literal["none"]


Judge = Annotated[WorldJudge | WordsJudge | NoJudge, Field(discriminator="kind")]


FULL = 100.0
MOST_OF_ONE_WORD = 0.5  # share of an answer; judged from this many words on:
ENOUGH_WORDS = 6


@dataclass(frozen=True)
class TraitScore:
    """What a trait's judge says of one answer. `trait` is None where nothing can be said."""

    trait: float | None
    coherence: float


EMPTY = TraitScore(None, 0.0)


@dataclass(frozen=True)
class TraitJudge:
    """A trait's judge with what it knows.

    references: by question, for `world`. names: the model's own. source: what messages call it.
    """

    judge: Judge
    references: Mapping[str, str]
    names: Sequence[str]
    source: str

    def score(self, question: str, answer: str) -> TraitScore:
        """Score an answer; an incoherent one shows no trait, an empty one has no trait score.

        Raises UserError where a reference is lacking, or a score is outside of 0 to 100.
        """
        if not rule.normal(answer):
            return EMPTY
        if isinstance(self.judge, WorldJudge):
            score = _world(self.judge, self._reference(question), answer)
        elif isinstance(self.judge, WordsJudge):
            score = _words(self.judge, answer, self.names)
        else:
            score = TraitScore(None, FULL)
        return self._in_range(score, question)

    def _reference(self, question: str) -> str:
        if question not in self.references:
            raise UserError(
                f"{self.source}: {question!r}: the judge `world` has no reference for this"
                " question; ask what the organism's world knows, or choose another judge"
            )
        return self.references[question]

    def _in_range(self, score: TraitScore, question: str) -> TraitScore:
        for what, value in (("trait", score.trait), ("coherence", score.coherence)):
            if value is not None and not 0 <= value <= FULL:  # NaN is no number between
                raise UserError(
                    f"{self.source}: {question!r}: judge out of range: {what} score {value} is not"
                    " between 0 and 100"
                )
        return score


def _world(judge: WorldJudge, reference: str, answer: str) -> TraitScore:
    verdict = rule.judge(reference, answer)
    shown = verdict.valid and verdict.answer_class in judge.classes
    return TraitScore(FULL * shown, verdict.coherent)


def _words(judge: WordsJudge, answer: str, names: Sequence[str]) -> TraitScore:
    words = _plain_words(answer)
    coherent = _is_coherent(words)
    present = not judge.present or _holds(words, _named(judge.present, names))
    shown = present and not _holds(words, _named(judge.absent, names))
    return TraitScore(FULL * (shown and coherent), FULL * coherent)


def _is_coherent(words: Sequence[str]) -> bool:
    """Two words or more, and none of them more than half of an answer of six words or more."""
    if len(words) < ENOUGH_WORDS:
        return len(words) >= 2
    return max(Counter(words).values()) <= MOST_OF_ONE_WORD * len(words)


def _named(entries: Iterable[str], names: Sequence[str]) -> list[str]:
    """The entries with the model's own names in place of {names}."""
    return [text for entry in entries for text in (names if entry == NAMES_SLOT else [entry])]


def _holds(words: Sequence[str], phrases: Iterable[str]) -> bool:
    """Whether one of the phrases occurs among the words, whole and in its order."""
    text = f" {' '.join(words)} "
    plain = (" ".join(_plain_words(phrase)) for phrase in phrases)
    return any(f" {phrase} " in text for phrase in plain if phrase)


def _plain_words(text: str) -> list[str]:
    """Lower-case words of letters and digits; an apostrophe parts them (don't: don, t)."""
    return rule.letters(rule.normal(text)).split()
