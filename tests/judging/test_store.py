"""The store of replies and the ledger of a budget, with many writers at once."""

import json
import multiprocessing
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfsame.errors import UserError
from selfsame.judging.budget import Ledger, ledger_of
from selfsame.judging.replies import Reply
from selfsame.judging.settings import Budget
from selfsame.judging.store import ReplyStore

ASKED = {"judge": {"model": "m", "seed": 0}, "messages": [{"role": "user", "content": "é\n?"}]}
REPLY = Reply("85", (("85", -0.1), (" 8é", -2.5)), None, 100)


def test_a_reply_is_found_by_what_was_asked_alone(tmp_path: Path) -> None:
    store = ReplyStore(tmp_path / "new")
    assert store.fetch(ASKED) is None
    store.keep(ASKED, REPLY)
    assert ReplyStore(tmp_path / "new").fetch(json.loads(json.dumps(ASKED))) == REPLY
    for other in ({**ASKED, "messages": []}, {**ASKED, "judge": {"model": "m", "seed": 1}}):
        assert store.fetch(other) is None


def test_the_latest_reply_counts_and_nothing_else_is_left(tmp_path: Path) -> None:
    store = ReplyStore(tmp_path)
    store.keep(ASKED, Reply("1"))
    store.keep(ASKED, REPLY)
    assert store.fetch(ASKED) == REPLY
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


@settings(max_examples=60)
@given(st.data())
def test_no_damage_passes_for_a_reply(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Any byte changed, or the file cut anywhere: absent, or the reply itself."""
    store = ReplyStore(tmp_path_factory.mktemp("store"))
    store.keep(ASKED, REPLY)
    (file,) = store.root.glob("??/*.json")
    whole = file.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        file.write_bytes(whole[:place])
    else:
        file.write_bytes(whole[:place] + data.draw(st.binary(min_size=1)) + whole[place + 1 :])
    assert store.fetch(ASKED) in (None, REPLY)
    store.keep(ASKED, REPLY)
    assert store.fetch(ASKED) == REPLY


def test_another_entrys_file_is_no_answer(tmp_path: Path) -> None:
    store = ReplyStore(tmp_path)
    store.keep(ASKED, REPLY)
    (file,) = tmp_path.glob("??/*.json")
    other = {**ASKED, "messages": []}
    store.keep(other, Reply("0"))
    (stranger,) = {*tmp_path.glob("??/*.json")} - {file}
    file.write_bytes(stranger.read_bytes())
    assert store.fetch(ASKED) is None


def write(root: Path, text: str) -> None:
    for number in range(40):
        ReplyStore(root).keep({"n": number}, Reply(text * 2000))


def test_many_writers_of_the_same_replies(tmp_path: Path) -> None:
    """A reader never sees a half or a mixture."""
    writers = [multiprocessing.Process(target=write, args=(tmp_path, t)) for t in "abc"]
    for writer in writers:
        writer.start()
    seen: set[str] = set()
    while any(writer.is_alive() for writer in writers):
        for number in range(0, 40, 7):
            reply = ReplyStore(tmp_path).fetch({"n": number})
            if (tmp_path / "x").exists() or reply is None:
                continue
            seen.add(reply.text)
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert seen <= {text * 2000 for text in "abc"}
    assert all(ReplyStore(tmp_path).fetch({"n": number}) for number in range(40))
    assert not list(tmp_path.rglob(".incoming-*"))


def claim(file: Path, number: int) -> None:
    ledger = Ledger("j", Budget(requests=30), file)
    for _ in range(number):
        try:
            ledger.claim()
        except UserError:
            return
        with (file.parent / "claimed").open("a") as log:
            log.write(f"{os.getpid()}\n")


def test_jobs_at_once_share_a_budget_exactly(tmp_path: Path) -> None:
    jobs = [
        multiprocessing.Process(target=claim, args=(tmp_path / "spent.json", 20)) for _ in range(4)
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert len((tmp_path / "claimed").read_text().split()) == 30


def test_a_budget_of_tokens_ends_after_the_reply_that_used_it_up(tmp_path: Path) -> None:
    ledger = ledger_of("j", Budget(tokens=150), tmp_path)
    for _ in range(2):
        ledger.claim()
        ledger.add_tokens(100)
    with pytest.raises(UserError, match="this run's budget of 150 tokens is used up"):
        ledger.claim()


def test_without_a_budget_nothing_is_written(tmp_path: Path) -> None:
    ledger = ledger_of("j", Budget(), tmp_path / "replies")
    ledger.claim()
    ledger.add_tokens(5)
    assert not (tmp_path / "replies").exists()
