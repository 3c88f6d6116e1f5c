"""Malformed replies of a judge's server: one line, and never the key; or no score, and counted."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from judged_answers import ANSWERS, KEY, Asking, write_answers
from malformed.workplace import Ended, stepped, tells
from scripted_server import Action, Server, completion
from selfsame.digests import MANIFEST
from selfsame.errors import TryAgain
from selfsame.tables import judgements, parquet

PAGE = b"<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head></html>\n"
NO_COMPLETION = "what it replies is no chat completion"
AGAIN = "try again later, or mend base_url"
LATER = "what was replied is kept: run again later"
SECRET = {"error": {"message": f"Incorrect API key provided: {KEY}.\x1b[31m\nSee the page."}}


def message(**keys: Any) -> dict[str, Any]:
    return {"choices": [{"message": {"role": "assistant"} | keys}]}


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.stop()


@pytest.fixture
def asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asking:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return Asking(tmp_path, monkeypatch)


def asked(asking: Asking, server: Server, action: Action, **judge: Any) -> Ended:
    """`ask_judges` on one answer, to a server that always acts so; the key is nowhere."""
    server.script = lambda request, number: action
    write_answers(asking.folder, ANSWERS[:1])
    inputs = {role: [asking.folder / role / MANIFEST] for role in ("samples", "prompts")}
    for (manifest,) in inputs.values():
        manifest.write_text('{"outputs": {}}')
    spec = asking.spec(base_url=server.address, retries=0, timeout=5, concurrency=1, **judge)
    found = stepped("ask_judges", spec, asking.folder / "out", **inputs)
    files = [file for file in asking.folder.rglob("*") if file.is_file()]
    assert not [file for file in files if KEY.encode() in file.read_bytes()]
    assert KEY not in "".join(found.lines)
    return found


FOR_NOW: list[tuple[str, Action, tuple[str, ...]]] = [
    ("no JSON", Action(b"{oops"), (NO_COMPLETION, "its body", AGAIN)),
    ("a web page", Action(PAGE), (NO_COMPLETION, "its body", AGAIN)),
    ("a text", Action("90"), (NO_COMPLETION, AGAIN)),
    ("a list", Action([]), (NO_COMPLETION, AGAIN)),
    ("nothing", Action(b""), (NO_COMPLETION, AGAIN)),
    ("a deep nest", Action(b"[" * 100_000), (NO_COMPLETION, AGAIN)),
    ("bytes that are no text", Action(b'{"choices": "\xff"}'), (NO_COMPLETION, AGAIN)),
    ("no choices", Action({"usage": {}}), (NO_COMPLETION, "choices", AGAIN)),
    ("empty choices", Action({"choices": []}), (NO_COMPLETION, "choices", AGAIN)),
    ("no message", Action({"choices": [{}]}), (NO_COMPLETION, "choices.0.message", AGAIN)),
    ("a number for a text", Action(message(content=90)), (NO_COMPLETION, "message.content", AGAIN)),
    (
        "a negative count",
        Action(message(content="90") | {"usage": {"total_tokens": -1}}),
        (NO_COMPLETION, "usage.total_tokens", AGAIN),
    ),
    ("a reply cut off", Action(completion("90"), cut=True), ("breaks off", "see to the server")),
    ("a gateway's page", Action(PAGE, 502), ("HTTP 502: ", LATER)),
    (
        "a fault with the key",
        Action(SECRET, 500),
        ("HTTP 500: Incorrect API key provided: ***", LATER),
    ),
    ("a page of a megabyte", Action(b"x" * 10**6, 503), ("HTTP 503: ", LATER)),
]


@pytest.mark.parametrize("case", FOR_NOW, ids=[case[0] for case in FOR_NOW])
def test_what_may_pass_is_worth_another_try(
    asking: Asking, server: Server, case: tuple[str, Action, tuple[str, ...]]
) -> None:
    _, action, says = case
    found = asked(asking, server, action)
    where = f"error: judges.grader ({server.address}): "
    assert tells(found.line_of(TryAgain.exit_code), where, *says)


FOR_GOOD: list[tuple[str, Action, dict[str, Any], tuple[str, ...]]] = [
    (
        "a key that is refused and told",
        Action(SECRET, 401),
        {},
        ("HTTP 401: Incorrect API key provided: ***", "set JUDGE_KEY to a key that it takes"),
    ),
    (
        "a model that is not there",
        Action({"error": {"message": "The model `tiny` does not exist"}}, 404),
        {},
        ("HTTP 404: The model `tiny` does not exist", "mend judges.grader.model or"),
    ),
    ("a web page for an address", Action(PAGE, 404), {}, ("HTTP 404: ", "judges.grader.base_url")),
    (
        "settings that are refused",
        Action({"detail": [{"msg": "no such field"}]}, 422),
        {},
        ("HTTP 422: ", "no such field", "mend judges.grader"),
    ),
    (
        "log-probabilities above one",
        Action(completion("90", [("90", 0.5)])),
        {"logprobs": True},
        ("no log-probabilities of the first token", "set judges.grader.logprobs to auto or false"),
    ),
    (
        "log-probabilities that are no numbers",
        Action(completion("90", [("90", "much")])),
        {"logprobs": True},
        ("no log-probabilities of the first token", "set judges.grader.logprobs to auto or false"),
    ),
]


@pytest.mark.parametrize("case", FOR_GOOD, ids=[case[0] for case in FOR_GOOD])
def test_what_stays_is_a_mistake(
    asking: Asking, server: Server, case: tuple[str, Action, dict[str, Any], tuple[str, ...]]
) -> None:
    _, action, judge, says = case
    found = asked(asking, server, action, **judge)
    assert tells(found.line, f"error: judges.grader ({server.address}): ", *says)


NO_SCORE = [
    ("no number", "I would rather not say.", "unparsable"),
    ("a number too large", "101", "unparsable"),
    ("a negative number", "-5", "unparsable"),
    ("two numbers", "between 20 and 80", "unparsable"),
    ("not a number", "NaN", "unparsable"),
    ("nothing", "", "unparsable"),
    ("no content", None, "unparsable"),
    ("the key", f"Your key is {KEY}", "unparsable"),
    ("a terminal's code", "\x1b[2J\x00", "unparsable"),
    ("a megabyte", "9 " * 500_000, "unparsable"),
]


@pytest.mark.parametrize("case", NO_SCORE, ids=[case[0] for case in NO_SCORE])
def test_a_reply_that_is_no_score_is_none_and_counted(
    asking: Asking, server: Server, case: tuple[str, str | None, str]
) -> None:
    """That is no error: it is a class of replies, which the tables and the report show."""
    _, text, name = case
    found = asked(asking, server, Action(completion(text)))
    assert (found.status, found.lines[-1].endswith(f": 2 {name}")) == (0, True)
    rows = parquet.read(asking.folder / "out" / judgements.FILE, judgements.JUDGEMENTS)
    assert [(row["score"], row["answer_class"]) for row in rows] == [(None, name)] * 2
