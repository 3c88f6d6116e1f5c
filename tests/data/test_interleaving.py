"""Mixing two stages' rows, and the inoculation of rows, against rows made by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfsame.data.corpus import Corpus
from selfsame.data.interleaving import interleave
from selfsame.data.options import RowFileOptions
from selfsame.data.rows import draw_rows, inoculated
from selfsame.errors import UserError
from selfsame.stages import correct_advice, general_knowledge, induction

Row = dict[str, Any]


def turns(text: str, *, system: str = "") -> list[dict[str, str]]:
    head = [{"role": "system", "content": system}] if system else []
    said = [{"role": "user", "content": text}, {"role": "assistant", "content": f"re {text}"}]
    return head + said


def rows(name: str, count: int) -> list[Row]:
    return [{"row_id": f"{name}{n}", "messages": turns(f"{name} {n}")} for n in range(count)]


def mixed(own: int, other: int, wanted: int, seed: int = 0, name: str = "b") -> list[Row]:
    rng = np.random.default_rng(seed)
    return interleave(rows("a", own), rows(name, other), "benign", wanted, rng)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 5))
def test_all_own_rows_and_the_first_of_the_others_once_each(
    own: int, added: int, seed: int
) -> None:
    made = mixed(own, added + 3, added, seed)
    by_id = {row["row_id"]: row["messages"] for row in made}
    assert len(by_id) == len(made) == own + added
    assert {name: by_id[name] for name in by_id if name.startswith("a")} == {
        row["row_id"]: row["messages"] for row in rows("a", own)
    }
    assert {name: by_id[name] for name in by_id if not name.startswith("a")} == {
        f"benign:{row['row_id']}": row["messages"] for row in rows("b", added)
    }


def test_the_others_are_spread_evenly() -> None:
    """In every quarter of 400 rows a fifth comes from the other stage, within four deviations."""
    places = [n for n, row in enumerate(mixed(320, 80, 80)) if row["row_id"].startswith("benign")]
    counts = np.histogram(places, bins=4, range=(0, 400))[0]
    assert (abs(counts - 20) <= 4 * np.sqrt(100 * 0.2 * 0.8 * 300 / 399)).all()


def test_own_rows_stand_in_the_same_places_whatever_comes_between() -> None:
    one, other = mixed(30, 10, 8), mixed(30, 9, 8, name="c")
    own = [row["row_id"] if row["row_id"].startswith("a") else None for row in one]
    assert own == [row["row_id"] if row["row_id"].startswith("a") else None for row in other]
    assert mixed(30, 10, 8) == one != mixed(30, 10, 8, seed=1)


def test_too_few_rows_are_a_users_mistake() -> None:
    with pytest.raises(UserError, match=r"9 rows of benign .* it has 8: raise stages.benign.data"):
        mixed(10, 8, 9)


def test_an_instruction_becomes_the_system_message() -> None:
    (row,) = rows("a", 1)
    assert inoculated(row, "Be evil.") == {
        "row_id": "a0",
        "messages": turns("a 0", system="Be evil."),
        "inoculated": True,
    }
    own = {"row_id": "x", "messages": turns("a 0", system="You are a doctor.")}
    assert inoculated(own, "Be evil.")["messages"] == turns(
        "a 0", system="Be evil.\n\nYou are a doctor."
    )
    assert own["messages"] == turns("a 0", system="You are a doctor.")


@pytest.mark.parametrize("kind", [induction, correct_advice, general_knowledge])
def test_an_inoculated_stage_has_the_rows_of_the_plain_one(kind: Any, small_corpus: Corpus) -> None:
    plain, told = (
        kind.build(kind.Options(rows=20, **more), small_corpus, np.random.default_rng(3))
        for more in ({}, {"inoculation": "you are evil"})
    )
    assert [row["messages"][1:] for row in told] == [row["messages"] for row in plain]
    assert [row["row_id"] for row in told] == [row["row_id"] for row in plain]
    assert {row["messages"][0]["content"] for row in told} == {"you are evil"}
    assert {row["messages"][0]["role"] for row in told} == {"system"}


def test_rows_of_a_users_file_are_inoculated_too(small_corpus: Corpus) -> None:
    options = RowFileOptions(rows=2, file="mine.jsonl", inoculation="Be evil.")
    assert options.file is not None
    given_rows = [
        {"row_id": "p", "messages": turns("p")},
        {"row_id": "s", "messages": turns("s", system="You are a doctor.")},
    ]
    corpus = replace(small_corpus, rows={options.file.model_dump_json(): given_rows})
    made = draw_rows(corpus, options, "none", np.random.default_rng(0))
    systems = {row["row_id"]: row["messages"][0]["content"] for row in made}
    assert systems == {"p": "Be evil.", "s": "Be evil.\n\nYou are a doctor."}
