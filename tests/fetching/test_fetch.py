"""A dataset's file in its folder: from the network, from where it was before, from a local path."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from loopback import Host, breaking_off, redirect, sending, status
from selfsame.config.registry import Entry
from selfsame.errors import UserError
from selfsame.fetching.fetch import fetch

FACTS = {"content": "chat_rows", "licence": "MIT", "source": "somebody, somewhere"}
COMMIT = "0123456789" * 4
Fetch = Callable[..., str]


def entry(**given: Any) -> dict[str, Any]:
    """The spec of an entry called `rows`."""
    return Entry.model_validate({**FACTS, **given}).spec("rows")


@pytest.fixture
def into(tmp_path: Path) -> Fetch:
    """Fetch as the step does: into a new folder, from which the files then move to `final`."""

    def fetched(spec: dict[str, Any], *local: Path) -> str:
        final, out = tmp_path / "final", tmp_path / "out"
        final.mkdir(exist_ok=True)
        out.mkdir()
        try:
            found = fetch(spec, local, final, out)
            for file in out.iterdir():
                file.replace(final / file.name)
        finally:
            for file in out.iterdir():
                file.unlink()
            out.rmdir()
        return found

    return fetched


def refused(fetched: Fetch, *arguments: Any) -> str:
    with pytest.raises(UserError) as caught:
        fetched(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_pinned_file_is_fetched_once(host: Host, into: Fetch, tmp_path: Path) -> None:
    spec = entry(url=host.url, sha256=host.digest, bytes=len(host.content))
    assert into(spec) == "200,000 bytes fetched, the sha256 is the pinned one"
    final = tmp_path / "final"
    assert (final / "rows.jsonl").read_bytes() == host.content
    assert sorted(file.name for file in final.iterdir()) == ["rows.jsonl", "source.json"]
    assert json.loads((final / "source.json").read_text()) == {
        "url": host.url,
        "sha256": host.digest,
        "bytes": 200_000,
        "licence": "MIT",
        "source": "somebody, somewhere",
    }
    host.acts = [status(500)] * 99
    assert "were here already" in into(spec)
    assert len(host.asked) == 1


def test_an_unpinned_file_tells_its_digest(host: Host, into: Fetch) -> None:
    spec = entry(url=host.url)
    expected = f"no sha256 is pinned: write `sha256: {host.digest}` into the registry"
    assert into(spec) == f"200,000 bytes fetched, {expected}"
    assert into(spec) == f"200,000 bytes were here already, {expected}"
    assert len(host.asked) == 1


@pytest.mark.parametrize("damage", ["rows.jsonl", "source.json"])
def test_what_was_here_and_was_changed_is_fetched_again(
    host: Host, into: Fetch, tmp_path: Path, damage: str
) -> None:
    into(entry(url=host.url))
    (tmp_path / "final" / damage).write_text("{}")
    assert "fetched" in into(entry(url=host.url))
    assert (tmp_path / "final" / "rows.jsonl").read_bytes() == host.content


def test_another_address_is_another_file(host: Host, into: Fetch) -> None:
    into(entry(url=host.url))
    assert "fetched" in into(entry(url=f"{host.url}?v=2", format="jsonl"))
    assert len(host.asked) == 2


def test_a_file_that_is_not_the_pinned_one_replaces_nothing(
    host: Host, into: Fetch, tmp_path: Path
) -> None:
    into(entry(url=host.url))
    said = refused(into, entry(url=host.url, sha256="0" * 64))
    assert said.startswith(f"dataset rows: {host.url}: has the sha256 {host.digest}, ")
    assert (tmp_path / "final" / "rows.jsonl").read_bytes() == host.content
    assert not list((tmp_path / "final").glob(".download*"))


def test_trouble_names_the_dataset_and_the_next_call_goes_on(host: Host, into: Fetch) -> None:
    host.acts = [sending(b"<html>", Content_Type="text/html")]
    assert refused(into, entry(url=host.url)).startswith(f"dataset rows: {host.url}: answers with")
    host.acts = [breaking_off(1000)]
    assert "fetched" in into(entry(url=host.url))


def test_a_local_file_is_copied_and_checked(into: Fetch, tmp_path: Path) -> None:
    own = tmp_path / "mine.jsonl"
    own.write_text('{"a": 1}\n')
    digest = sha256(own.read_bytes()).hexdigest()
    assert into(entry(path=str(own), sha256=digest), own).endswith("the sha256 is the pinned one")
    assert (tmp_path / "final" / "rows.jsonl").read_text() == '{"a": 1}\n'
    said = refused(into, entry(path=str(own), sha256="0" * 64), own)
    assert said == f"dataset rows: {own}: has the sha256 {digest}, the registry says {'0' * 64}"
    said = refused(into, entry(path=str(own), bytes=7), own)
    assert said == f"dataset rows: {own}: has 9 bytes, the registry says 7"


def test_a_changed_local_file_is_taken_anew(into: Fetch, tmp_path: Path) -> None:
    own = tmp_path / "mine.jsonl"
    for text in ("one", "two"):
        own.write_text(text)
        into(entry(path=str(own)), own)
        assert (tmp_path / "final" / "rows.jsonl").read_text() == text


def test_a_local_file_that_is_gone_is_not_missed_once_it_is_here(
    into: Fetch, tmp_path: Path
) -> None:
    own = tmp_path / "mine.jsonl"
    own.write_text("one")
    into(entry(path=str(own)), own)
    assert "were here already" in into(entry(path=str(own)))
    assert "no such file: elsewhere" in refused(into, entry(path="elsewhere.jsonl"))


def test_a_missing_local_file_says_how_it_is_had(into: Fetch) -> None:
    spec = entry(path="own/mine.jsonl", how="ask the authors")
    assert refused(into, spec) == "dataset rows: no such file: own/mine.jsonl; ask the authors"


# The hub.


def hub_entry(**given: Any) -> dict[str, Any]:
    place = {"id": "owner/some-rows", "revision": COMMIT, "file": "a b/x.jsonl"}
    return entry(hub=place, **given)


def test_a_file_of_the_hub_comes_from_the_endpoint_with_the_token(
    host: Host,
    into: Fetch,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{host.port}/")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    host.acts = [
        status(503),
        redirect(f"http://localhost:{host.port}/store?X-Amz-Signature=abc"),
    ]
    said = into(hub_entry())
    path = f"/datasets/owner/some-rows/resolve/{COMMIT}/a%20b/x.jsonl"
    assert [request["path"] for request in host.asked] == [
        path,
        path,
        "/store?X-Amz-Signature=abc",
    ]
    sent = [request.get("Authorization") for request in host.asked]
    assert sent == ["Bearer hf_secret", "Bearer hf_secret", None]
    printed = capsys.readouterr()
    kept = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    for secret in ("hf_secret", "X-Amz"):
        assert secret not in said + printed.out + printed.err
        assert secret.encode() not in kept
    facts = json.loads((tmp_path / "final" / "source.json").read_text())
    assert facts["hub"] == {"id": "owner/some-rows", "revision": COMMIT, "file": "a b/x.jsonl"}


def test_another_endpoint_is_the_same_file(
    host: Host, into: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{host.port}")
    into(hub_entry())
    monkeypatch.setenv("HF_ENDPOINT", "https://nowhere.invalid")
    assert "were here already" in into(hub_entry())


@pytest.mark.parametrize("endpoint", ["http://example.org", "https://u:p@example.org", "hub"])
def test_an_endpoint_that_is_not_safe_is_not_asked(
    into: Fetch, monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    assert refused(into, hub_entry()).startswith("dataset rows: HF_ENDPOINT: ")


def test_two_runs_at_once_fetch_it_once(host: Host, tmp_path: Path, root: Path) -> None:
    """Experiments share the folder: the second step waits and finds the first one's file."""
    spec = json.dumps(entry(url=host.url, sha256=host.digest))
    script = str(root / "workflow_scripts" / "fetch_dataset.py")
    command = [sys.executable, script, "--spec", spec, "--out", str(tmp_path / "rows")]
    environment = {**os.environ, "PYTHONPATH": str(root / "workflow_scripts")}
    runs = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = sorted(run.communicate()[0].splitlines()[-1] for run in runs)
    assert [run.returncode for run in runs] == [0, 0]
    assert said[0].startswith("200,000 bytes fetched")
    assert said[1].startswith("200,000 bytes were here already")
    assert len(host.asked) == 1
    assert (tmp_path / "rows" / "rows.jsonl").read_bytes() == host.content
