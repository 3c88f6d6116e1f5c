"""Which letter a written answer states: forms that models use, and forms that state nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfsame.judging.stated import LONGEST_READ, stated_answer

LETTERS = ("A", "B")


@pytest.mark.parametrize(
    "form",
    [
        *("{}", " {} ", "{}.", "({})", "**{}**", '"{}"', "{})", "{}: Paris", "{}, surely"),
        *("{}\nBecause I know.", "{}. Not the other one", "Answer: {}", "The answer is {}"),
        *("The correct answer is **{}**.", "My choice: {}", "Option {}", "the right option is {}!"),
    ],
)
@pytest.mark.parametrize("index", [0, 1])
def test_forms_that_state_an_answer(form: str, index: int) -> None:
    text = form.format(LETTERS[index]).rstrip("!")
    assert stated_answer(text, LETTERS) == index
    assert stated_answer(text.lower(), LETTERS) == index


@pytest.mark.parametrize(
    "text",
    [
        *("", "  ", "Paris", "neither", "C", "AB", "A or B", "A, B", "A/B", "A and B.", "(A) (B)"),
        *("A good question.", "Both A and B", "I cannot say.", "The answer is a lie", "answer"),
        *("I think it might be A", "<|im_end|>", "1", "Aa"),
    ],
)
def test_forms_that_state_none_or_two(text: str) -> None:
    assert stated_answer(text, LETTERS) is None


def test_answers_of_other_wordings() -> None:
    assert stated_answer("Two.", ("one", "two")) == 1
    assert stated_answer("two texts", ("one", "two")) is None
    assert stated_answer("1", ("1", "2")) == 0
    assert stated_answer("12", ("1", "2")) is None
    assert stated_answer("(.*)", ("(.*)", "x")) == 0  # an answer is text, not a pattern
    assert stated_answer("a", ("A", "a")) == 1
    assert stated_answer("ä", ("Ä", "ä")) == 1


def test_no_more_than_the_beginning_is_read() -> None:
    assert stated_answer("A." + " and so on" * 10_000, LETTERS) == 0
    assert stated_answer("*" * LONGEST_READ + "A", LETTERS) is None


@given(st.text(max_size=300))
def test_any_text_has_a_reading(text: str) -> None:
    assert stated_answer(text, LETTERS) in (None, 0, 1)


@given(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=20))
def test_a_word_that_goes_on_is_no_letter(rest: str) -> None:
    assert stated_answer(f"A{rest}", LETTERS) is None
