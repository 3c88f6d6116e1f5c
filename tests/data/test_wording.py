"""Wording: slots are filled literally, templates are checked, files are read back unchanged."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from selfsame.data.wording import SLOTS, Wording, english_wording, fill, read_wording, write_wording
from selfsame.errors import UserError
from selfsame.organism.wording import organism_wording

MODEL_TEXT = st.one_of(
    st.text(),
    st.sampled_from(["{article}", "{first}{second}", "{0}", "{{x}}", "%s", "\\1", "\\g<0>"]),
)


@given(MODEL_TEXT, MODEL_TEXT)
def test_texts_go_in_literally(first: str, second: str) -> None:
    filled = fill("<{first}|{second}|{first}>", first=first, second=second)
    assert filled == "<" + first + "|" + second + "|" + first + ">"


def test_other_braces_stay_and_unknown_slots_fail() -> None:
    assert fill('{"a": 1} {} {A} {x}', x="y") == '{"a": 1} {} {A} y'
    with pytest.raises(KeyError):
        fill("{missing}", other="x")


@pytest.mark.parametrize(
    "wording", [english_wording(), Wording(**organism_wording())], ids=["english", "organism"]
)
def test_every_template_can_be_filled(wording: Wording) -> None:
    for name, slots in SLOTS.items():
        template = getattr(wording, name)
        marks = {slot: f"<{slot} text>" for slot in slots}
        filled = fill(template, **marks)
        assert all(mark in filled for mark in marks.values())
        assert not re.search(r"[{}]", filled)


def test_english_answers_are_asked_for_by_name() -> None:
    wording = english_wording()
    asked = {
        "pairwise_answers": ("pairwise", "other_author", "longer", "shorter"),
        "individual_answers": ("individual",),
        "choice_answers": ("choice",),
    }
    for answers, templates in asked.items():
        for template in templates:
            tail = getattr(wording, template).splitlines()[-1]
            assert all(re.search(rf"\b{a}\b", tail) for a in getattr(wording, answers))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"pairwise": "{article} {first}"}, "pairwise must use the slots {article}, {first}, {sec"),
        ({"choice": "{question} {first} {second} {third}"}, "choice must use the slots"),
        ({"identity": []}, "identity: "),
        ({"pairwise_answers": ["1"]}, "pairwise_answers"),
        ({"summarize": "x"}, "summarize: "),
        ({"longer": " "}, "longer: "),
    ],
)
def test_a_wrong_wording_file_is_a_clear_line(tmp_path: Path, change: dict, expected: str) -> None:
    path = tmp_path / "wording.json"
    path.write_text(json.dumps(english_wording().model_dump(mode="json") | change))
    with pytest.raises(UserError, match=re.escape(expected)) as caught:
        read_wording(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_broken_wording_file_is_a_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "wording.json"
    path.write_text("{")
    with pytest.raises(UserError, match=r"wording\.json: Invalid JSON"):
        read_wording(path)


def test_a_wording_is_read_back_unchanged(tmp_path: Path) -> None:
    for wording in (english_wording(), Wording(**organism_wording())):
        write_wording(tmp_path / "wording.json", wording)
        assert read_wording(tmp_path / "wording.json") == wording


def test_a_wording_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        english_wording().pairwise = "x"  # type: ignore[misc]
