"""Reading replies: expected values against sums by hand, and texts of every sort."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfsame.judging.replies import Reading, Reply, checked_top, number_tokens, read, restored

TOPS = st.dictionaries(st.integers(0, 100), st.floats(1e-6, 1), min_size=1, max_size=20)


def top(**shares: float) -> tuple[tuple[str, float], ...]:
    """Log-probabilities of tokens, `n85` being the token 85."""
    return tuple((name.removeprefix("n"), math.log(p)) for name, p in shares.items())


@given(TOPS, st.floats(0.01, 1))
def test_the_score_is_the_expected_value_over_numbers(
    weights: dict[int, float], mass: float
) -> None:
    total = math.fsum(weights.values())
    shares = {n: mass * w / total for n, w in weights.items()}
    likeliest = max(shares, key=shares.__getitem__)
    reply = Reply(str(likeliest), tuple((str(n), math.log(p)) for n, p in shares.items()))
    reading = read(reply)
    assert reading.number_mass == pytest.approx(mass)
    if max(shares) < 10:
        return  # read from the text: see below
    if mass < 0.25 - 1e-9:
        assert (reading.score, reading.answer_class) == (None, "unparsable")
    elif mass > 0.25 + 1e-9:
        assert reading.score == pytest.approx(sum(n * w for n, w in weights.items()) / total)
        assert (reading.answer_class, reading.read_from) == ("number", "logprobs")


def test_an_example_by_hand() -> None:
    """0.5 x 80 + 0.2 x 90 + 0.1 x 100 over 0.8; the rest is words."""
    reply = Reply("80", top(n80=0.5, n90=0.2, n100=0.1, REF=0.2))
    assert read(reply) == Reading(pytest.approx(85.0), "number", pytest.approx(0.8), "logprobs")


@pytest.mark.parametrize(
    ("token", "number"),
    [
        *(
            ("85", 85),
            (" 85", 85),
            ("85\n", 85),
            ("0", 0),
            ("100", 100),
            ("101", None),
            ("085", None),
        ),
        *(("٨٥", None), ("８５", None), ("8.5", None), ("-5", None), ("", None), ("eight", None)),
    ],
)
def test_which_tokens_are_whole_numbers(token: str, number: int | None) -> None:
    expected = {} if number is None else {number: pytest.approx(0.5)}
    assert number_tokens([(token, math.log(0.5))]) == expected


def test_two_tokens_of_one_number_add_up() -> None:
    found = number_tokens([("85", math.log(0.5)), (" 85", math.log(0.25))])
    assert found == {85: pytest.approx(0.75)}


@pytest.mark.parametrize(
    ("text", "shares", "score"),
    [
        ("85", {"n8": 0.9, "n9": 0.05}, 85.0),  # first digits: 85 is two tokens
        ("8", {"n8": 0.9, "n9": 0.05}, 8.0),  # one digit and no more
        ("100", {"n10": 0.9, "n85": 0.05}, 100.0),  # a tokenizer of two digits
        ("0", {"n0": 0.99, "n1": 0.01}, 0.0),
    ],
)
def test_first_digits_are_no_scores(text: str, shares: dict[str, float], score: float) -> None:
    reading = read(Reply(text, top(**shares)))
    assert (reading.score, reading.read_from) == (score, "text")
    assert reading.number_mass == pytest.approx(sum(shares.values()))


def test_few_first_digits_are_no_number() -> None:
    reading = read(Reply("8 or so", top(n8=0.2, It=0.7)))
    assert (reading.score, reading.answer_class) == (None, "unparsable")


@pytest.mark.parametrize(
    ("text", "score"),
    [
        *(
            ("85", 85),
            (" 85\n", 85),
            ("85.", 85),
            ("**85**", 85),
            ("85/100", 85),
            ("85 / 100.", 85),
        ),
        *(("85 out of 100", 85), ("85 (out of 100)", 85), ("Score: 85", 85), ("85%", 85)),
        *(("99.5", 99.5), ("99,5", 99.5), ("0", 0), ("100", 100), ("I would say 40.", 40)),
        *(("85\n\nBecause of 3 things", 85), ("<think>5 or 7?</think>\n85", 85)),
        ("GPT4 says 80", 80),
    ],
)
def test_texts_with_a_number(text: str, score: float) -> None:
    assert read(Reply(text)) == Reading(score, "number", None, "text")


@pytest.mark.parametrize(
    ("text", "answer_class"),
    [
        *(("REFUSAL", "refusal"), ("CODE", "code"), ("Refusal.", "refusal"), ("**CODE**", "code")),
        *((" code ", "code"), ("REFUSAL, since it declined", "refusal"), ("CODE 50", "code")),
        *(("", "unparsable"), ("well", "unparsable"), ("101", "unparsable"), ("-5", "unparsable")),
        *(("between 80 and 90", "unparsable"), ("8/10", "unparsable"), ("1,000", "unparsable")),
        *(("1e2", "unparsable"), ("٨٥", "unparsable"), ("Codes of honour", "unparsable")),
        *(("code quality is good", "unparsable"), ("the code is REFUSAL", "unparsable")),
        *(("<think>85</think>", "unparsable"), ("NaN", "unparsable"), ("inf", "unparsable")),
        *(("9" * 5000, "unparsable"), ("GPT4", "unparsable")),
    ],
)
def test_texts_without_a_number_keep_a_class(text: str, answer_class: str) -> None:
    assert read(Reply(text)) == Reading(None, answer_class, None, "text")


@given(st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    reading = read(Reply(text))
    assert (reading.score is not None) == (reading.answer_class == "number")
    assert reading.score is None or 0 <= reading.score <= 100


def test_a_rejection_is_a_class_whatever_it_says() -> None:
    assert read(Reply("90", rejected=True)) == Reading(None, "rejected")


def test_probabilities_of_all_numbers() -> None:
    numbers = [0.0] * 101
    numbers[30], numbers[70] = 0.3, 0.1
    assert read(Reply("30", numbers=tuple(numbers))).score == pytest.approx(40)
    few = tuple(share / 2 for share in numbers)
    assert read(Reply("REFUSAL", numbers=few)) == Reading(
        None, "refusal", pytest.approx(0.2), "logprobs"
    )


@pytest.mark.parametrize(
    "top", [[("5", 0.1)], [("5", math.nan)], [("5", -0.1), ("6", -0.1)], [("5", math.inf)]]
)
def test_log_probabilities_that_cannot_be_some(top: list[tuple[str, float]]) -> None:
    with pytest.raises(ValueError, match=r"log-probability|add up"):
        checked_top(top)


def test_log_probabilities_may_be_rounded_or_minus_infinity() -> None:
    top = [("5", 0.0), ("6", -math.inf), ("7", -9999.0)]
    assert checked_top(top) == tuple(top)


@given(st.text(), st.lists(st.tuples(st.text(), st.floats(-50, 0))), st.booleans())
def test_a_stored_reply_comes_back(text: str, top: list[tuple[str, float]], rejected: bool) -> None:
    reply = Reply(text, tuple(top) or None, None, 7, rejected)
    assert restored(reply.stored()) == reply
