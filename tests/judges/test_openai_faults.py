"""A judge's server on loopback that fails in every way: nothing is lost, one clear line."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from judged_answers import ANSWERS, KEY, Asking
from scripted_server import Action, Request, Server, completion, grade
from selfsame.attempts import CALL
from selfsame.errors import TryAgain, UserError
from tiny_judge import SAYS

PROMPTS = 2 * len(ANSWERS)
CLASSES = {"number": 12, "refusal": 4, "code": 4}


def classes(rows: list[dict[str, Any]]) -> dict[str, int]:
    return dict(Counter(row["answer_class"] for row in rows))


def kept(asking: Asking) -> int:
    return len(list(asking.replies.glob("??/*.json")))


def is_one_line(error: BaseException, *parts: str) -> bool:
    text = str(error)
    return "\n" not in text and KEY not in text and all(part in text for part in parts)


def test_every_answer_is_judged_by_both_criteria(asking: Asking, server: Server) -> None:
    rows = asking.ask(base_url=server.address)
    assert len(rows) == PROMPTS == len(server.requests)
    for row in rows:
        word = ANSWERS[row["sample"]].split()[1]
        said = SAYS[word][row["criterion"] == "coherent"]
        assert row["reply"] == said
        assert row["score"] == (float(said) if said.isdigit() else None)
    assert classes(rows) == CLASSES
    assert all(request.headers["authorization"] == f"Bearer {KEY}" for request in server.requests)
    assert asking.found == ("20 judgements, 20 replies asked for: 12 number, 4 refusal, 4 code")


def test_a_second_run_asks_nothing(asking: Asking, server: Server) -> None:
    first = asking.ask(base_url=server.address)
    assert asking.ask(base_url=server.address) == first
    assert len(server.requests) == PROMPTS


def test_equal_answers_are_asked_once(asking: Asking, server: Server) -> None:
    rows = asking.ask([ANSWERS[0]] * 5, base_url=server.address)
    assert len(rows) == 10
    assert len(server.requests) == 2


def test_an_empty_answer_is_a_class_and_costs_nothing(asking: Asking, server: Server) -> None:
    rows = asking.ask(["", " \n", ANSWERS[0]], base_url=server.address)
    assert classes(rows) == {"empty": 4, "number": 2}
    assert len(server.requests) == 2
    assert all(row["reply"] is None for row in rows if row["answer_class"] == "empty")


def test_no_more_requests_at_once_than_allowed(asking: Asking, server: Server) -> None:
    server.script = lambda request, number: Action(completion(grade(request)), after=0.05)
    asking.ask(base_url=server.address, concurrency=3)
    assert server.most_at_once == 3


def test_a_rate_limit_is_waited_for_as_the_server_asks(asking: Asking, server: Server) -> None:
    limited = Action({"error": {"message": "slow down"}}, 429, {"Retry-After": "1"})
    server.script = lambda request, number: limited if number == 2 else None
    rows = asking.ask(ANSWERS[:3], base_url=server.address, concurrency=1)
    assert len(rows) == 6
    assert len(server.requests) == 7
    second, third = server.requests[1:3]
    assert second.prompt == third.prompt
    assert third.time - second.time >= 1


@pytest.mark.parametrize(
    "action",
    [
        Action({"error": "oh"}, 500),
        Action(b"{oops"),
        Action(b""),
        Action(b"[" * 5000),
        Action({"choices": []}),
        Action({"choices": [{"message": None}]}),
        Action({"choices": [{"message": {"content": 5}}]}),
        Action(completion("90"), cut=True),
        Action(completion("90"), after=1.0),
    ],
    ids=["500", "json", "nothing", "deep", "choices", "message", "content", "cut", "hang"],
)
def test_a_fault_that_passes_costs_one_more_request(
    asking: Asking, server: Server, action: Action
) -> None:
    server.script = lambda request, number: action if number == 2 else None
    rows = asking.ask(ANSWERS[:3], base_url=server.address, concurrency=1, timeout=0.4)
    assert classes(rows) == {"number": 6}
    assert len(server.requests) == 7


@pytest.mark.parametrize(
    ("action", "said"),
    [
        (Action({"error": {"message": "slow\ndown"}}, 429), "HTTP 429: slow down"),
        (Action({"error": {"message": f"for {KEY}"}}, 503), "HTTP 503: for ***"),
        (Action(b"{oops"), "what it replies is no chat completion"),
        (Action({"choices": []}), "what it replies is no chat completion (choices: "),
        (Action(completion("90"), cut=True), "breaks off"),
        (Action(completion("90"), after=1.0), "does not reply in time"),
    ],
    ids=["429", "503", "json", "choices", "cut", "hang"],
)
def test_a_fault_that_stays_is_one_line_and_worth_another_try(
    asking: Asking, server: Server, action: Action, said: str
) -> None:
    server.script = lambda request, number: action if number > 4 else None
    with pytest.raises(TryAgain) as caught:
        asking.ask(base_url=server.address, timeout=0.4, concurrency=1)
    assert is_one_line(caught.value, "judges.grader", server.address, said)
    assert kept(asking) == 4
    assert len(server.requests) == 4 + 2
    server.script = lambda request, number: None
    assert classes(asking.ask(base_url=server.address)) == CLASSES
    assert len(server.requests) == 4 + 2 + PROMPTS - 4


def test_a_server_that_dies_loses_nothing(
    asking: Asking, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one goes on where it stopped, at another address that the same variable names."""
    monkeypatch.setenv("JUDGE_URL", server.address)

    def die(request: Request, number: int) -> Action | None:
        if number == 7:
            server.stop()
        return None

    server.script = die
    with pytest.raises(TryAgain) as caught:
        asking.ask(base_url="$JUDGE_URL", concurrency=1)
    assert is_one_line(caught.value, "judges.grader ($JUDGE_URL): cannot be reached")
    assert kept(asking) == 7
    heir = Server()
    monkeypatch.setenv("JUDGE_URL", heir.address)
    assert classes(asking.ask(base_url="$JUDGE_URL")) == CLASSES
    assert len(heir.requests) == PROMPTS - 7
    heir.stop()


@pytest.mark.parametrize(
    ("status", "mend"),
    [
        (401, "set JUDGE_KEY to a key that it takes"),
        (403, "set JUDGE_KEY to a key that may use the model"),
        (404, "mend judges.grader.model or judges.grader.base_url"),
    ],
)
def test_a_mistake_ends_at_once(asking: Asking, server: Server, status: int, mend: str) -> None:
    body = {"error": {"message": f"no: {KEY}\x1b[31m", "code": "x"}}
    server.script = lambda request, number: Action(body, status)
    with pytest.raises(UserError) as caught:
        asking.ask(base_url=server.address, concurrency=1, logprobs=False)
    assert type(caught.value) is UserError
    assert is_one_line(caught.value, f"HTTP {status}: no: ***", mend)
    assert "\x1b" not in str(caught.value)
    assert len(server.requests) == 1


def test_a_quota_that_is_used_up_is_no_case_for_another_try(asking: Asking, server: Server) -> None:
    body = {"error": {"message": "pay", "code": "insufficient_quota"}}
    server.script = lambda request, number: Action(body, 429)
    with pytest.raises(UserError, match="its quota is used up") as caught:
        asking.ask(base_url=server.address, concurrency=1)
    assert type(caught.value) is UserError


def test_an_answer_that_the_server_will_not_take_is_a_class(asking: Asking, server: Server) -> None:
    """Its filter refuses one text with HTTP 400, another with a finish reason, a third in words."""
    filtered = {"error": {"message": "filtered", "code": "content_filter"}}
    refused = completion(None)
    refused["choices"][0]["message"]["refusal"] = "I would rather not"

    def act(request: Request, number: int) -> Action | None:
        return {
            ANSWERS[0]: Action(filtered, 400),
            ANSWERS[1]: Action(completion("", finish_reason="content_filter")),
            ANSWERS[2]: Action(refused),
        }.get(request.answer)

    server.script = act
    rows = asking.ask(base_url=server.address)
    assert classes(rows) == {"number": 6, "refusal": 4, "code": 4, "rejected": 6}
    assert all(row["score"] is None for row in rows if row["answer_class"] == "rejected")
    assert {row["reply"] for row in rows if row["sample"] == 0} == {"HTTP 400: filtered"}
    assert kept(asking) == PROMPTS - 6  # it may be taken another time


def test_a_server_that_takes_no_prompt_at_all_is_a_mistake(asking: Asking, server: Server) -> None:
    server.script = lambda request, number: Action({"detail": "unknown model tiny"}, 400)
    with pytest.raises(UserError) as caught:
        asking.ask(base_url=server.address, concurrency=1)
    assert is_one_line(caught.value, "HTTP 400: unknown model tiny", "mend judges.grader")
    assert len(server.requests) == 4  # with and without logprobs: an answer, a harmless prompt


def test_parameters_that_a_server_does_not_take_are_left_out(
    asking: Asking, server: Server
) -> None:
    def act(request: Request, number: int) -> Action | None:
        for name in ("max_tokens", "temperature", "logprobs"):
            if name in request.body:
                return Action({"error": {"message": "unsupported", "param": name}}, 400)
        return None

    server.script = act
    rows = asking.ask(base_url=server.address, concurrency=1, max_tokens=33)
    assert classes(rows) == CLASSES
    assert len(server.requests) == PROMPTS + 3
    assert server.requests[-1].body["max_completion_tokens"] == 33
    assert {"seed", "model", "messages", "max_completion_tokens"} == {*server.requests[-1].body}


def test_log_probabilities_that_a_server_must_give(asking: Asking, server: Server) -> None:
    with pytest.raises(UserError) as caught:
        asking.ask(base_url=server.address, logprobs=True)
    assert is_one_line(caught.value, "no log-probabilities", "judges.grader.logprobs")


@pytest.mark.parametrize(
    "top",
    [
        [("90", 0.5)],
        [("90", float("nan"))],
        [("90", "much")],
        [("90", None)],
        [(90, -0.1)],
        [(None, -0.1)],
        [("90", -0.1), ("80", -0.1)],
        "yes",
    ],
    ids=["positive", "nan", "text", "null", "number", "no-token", "sum", "no-list"],
)
def test_log_probabilities_that_are_none_are_passed_over(
    asking: Asking, server: Server, top: Any
) -> None:
    def act(request: Request, number: int) -> Action:
        body = completion("90", [] if top == "yes" else top)
        if top == "yes":
            body["choices"][0]["logprobs"] = top
        return Action(body)

    server.script = act
    rows = asking.ask(ANSWERS[:1], base_url=server.address)
    assert [(row["score"], row["read_from"]) for row in rows] == [(90.0, "text")] * 2


def test_log_probabilities_of_another_text_are_passed_over(asking: Asking, server: Server) -> None:
    body = completion("90", [("10", -0.01)])
    body["choices"][0]["logprobs"]["content"][0]["token"] = "10"
    server.script = lambda request, number: Action(body)
    (row, _) = asking.ask(ANSWERS[:1], base_url=server.address)
    assert (row["score"], row["read_from"], row["number_mass"]) == (90.0, "text", None)


def test_tokens_that_are_no_numbers_are_no_score(asking: Asking, server: Server) -> None:
    server.script = lambda request, number: Action(completion("Well", [("Well", -0.2)]))
    (row, _) = asking.ask(ANSWERS[:1], base_url=server.address)
    assert (row["answer_class"], row["number_mass"]) == ("unparsable", 0.0)
    assert row["read_from"] == "logprobs"


@pytest.mark.parametrize(("budget", "answered"), [({"requests": 7}, 7), ({"tokens": 450}, 5)])
def test_a_budget_ends_the_run_and_the_next_run_goes_on(
    asking: Asking,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    budget: dict[str, int],
    answered: int,
) -> None:
    """A reply costs 100 tokens. Two jobs of one run share the budget."""
    given = {"base_url": server.address, "budget": budget, "concurrency": 1}
    monkeypatch.setenv(CALL, "one run")
    for _ in range(2):
        with pytest.raises(UserError) as caught:
            asking.ask(**given)
        assert type(caught.value) is UserError
        ((what, most),) = budget.items()
        assert is_one_line(caught.value, f"budget of {most} {what} is used up", "run again")
        assert len(server.requests) == kept(asking) == answered
    monkeypatch.setenv(CALL, "another run")
    with pytest.raises(UserError):
        asking.ask(**given)
    assert len(server.requests) == 2 * answered
    monkeypatch.setenv(CALL, "a third run")
    assert len(asking.ask(base_url=server.address)) == PROMPTS
    assert len(server.requests) == PROMPTS


def test_without_a_key_nothing_is_asked(
    asking: Asking, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JUDGE_KEY")
    with pytest.raises(UserError) as caught:
        asking.ask(base_url=server.address)
    assert is_one_line(caught.value, "judges.grader: the environment has no JUDGE_KEY")
    assert server.requests == []


def test_a_server_that_wants_no_key_gets_none_of_ours(
    asking: Asking, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    asking.ask(ANSWERS[:1], base_url=server.address, key_variable=None)
    assert KEY not in json.dumps([request.headers for request in server.requests])


def test_an_address_whose_variable_is_not_set(asking: Asking) -> None:
    with pytest.raises(UserError, match=r"judges.grader.base_url: .* address in \$NOWHERE/v1"):
        asking.ask(base_url="$NOWHERE/v1")


def test_damaged_replies_are_asked_for_anew(asking: Asking, server: Server) -> None:
    first = asking.ask(base_url=server.address)
    damaged = sorted(asking.replies.glob("??/*.json"))[:5]
    texts = ["", "{", '{"sha256": 1}', None, "[]"]
    for file, text in zip(damaged, texts, strict=True):
        whole = file.read_text()
        file.write_text(whole.replace('"text":"', '"text":"9') if text is None else text)
    assert asking.ask(base_url=server.address) == first
    assert len(server.requests) == PROMPTS + len(damaged)


def test_a_folder_that_cannot_be_written_is_one_line(asking: Asking, server: Server) -> None:
    asking.replies.write_text("a file")
    with pytest.raises(UserError) as caught:
        asking.ask(base_url=server.address)
    assert is_one_line(caught.value, "replies cannot be stored", "cache.replies")
    assert len(server.requests) <= 2  # no more than were under way


def test_a_killed_job_pays_for_nothing_twice(asking: Asking, server: Server) -> None:
    """Killed by SIGKILL after some replies; only what was under way may be asked again."""
    with pytest.raises(UserError):  # writes the inputs
        asking.ask(base_url="$NOWHERE")
    server.script = lambda request, number: Action(completion(grade(request)), after=0.1)
    inputs = [f"--{name}={asking.folder / name / 'manifest.json'}" for name in ("samples",)]
    job = subprocess.Popen(
        [
            *(sys.executable, Path(__file__).parents[2] / "workflow_scripts" / "ask_judges.py"),
            *("--spec", json.dumps(asking.spec(base_url=server.address, concurrency=2))),
            *("--out", asking.folder / "killed", *inputs),
            *("--prompts", asking.folder / "prompts" / "manifest.json"),
        ],
        env=os.environ | {"SELFSAME_CACHE": "off"},
    )
    deadline = time.monotonic() + 60
    while kept(asking) < 6 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(job.pid, signal.SIGKILL)
    job.wait()
    assert 6 <= kept(asking) < PROMPTS
    server.script = lambda request, number: None
    assert classes(asking.ask(base_url=server.address)) == CLASSES
    assert len(server.requests) <= PROMPTS + 2
    assert not (asking.folder / "killed" / "manifest.json").exists()
