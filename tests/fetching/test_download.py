"""Downloads from a real server that breaks off, lies, serves other bytes, or sends us elsewhere.

After each trouble the next call ends with the right file, or the one line says what is wrong.
"""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from loopback import (
    Act,
    Host,
    breaking_off,
    continuing_blindly,
    ignoring_range,
    redirect,
    sending,
    serving,
    stalling,
    status,
    telling_length,
    without_length,
)
from selfsame.errors import TryAgain, UserError
from selfsame.fetching.addresses import Address
from selfsame.fetching.download import Patience, download

QUICK = Patience(attempts=3, connect_s=2, read_s=2, wait_s=0.01, longest_wait_s=0.02)
ONCE = replace(QUICK, attempts=1)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "file.part"


def pinned(host: Host) -> Address:
    return Address(host.url, host.digest, len(host.content))


def unpinned(host: Host) -> Address:
    return Address(host.url)


def refused(address: Address, place: Path, patience: Patience = QUICK) -> str:
    """The one line of a file that cannot be had."""
    with pytest.raises(UserError) as caught:
        download(address, place, patience)
    assert not isinstance(caught.value, TryAgain)
    return line_of(caught.value, address)


def interrupted(address: Address, place: Path, patience: Patience = QUICK) -> str:
    """The one line of trouble that may pass."""
    with pytest.raises(TryAgain) as caught:
        download(address, place, patience)
    return line_of(caught.value, address)


def line_of(error: UserError, address: Address) -> str:
    text = str(error)
    assert "\n" not in text
    assert text.startswith(f"{address.url}: ")
    return text.removeprefix(f"{address.url}: ")


def is_right(host: Host, address: Address, place: Path) -> None:
    """A call that nothing befalls ends with the file that the server has, and nothing else."""
    assert download(address, place, QUICK) == host.digest
    assert place.read_bytes() == host.content
    assert list(place.parent.iterdir()) == [place]


def test_a_file_comes_whole(host: Host, place: Path) -> None:
    for address in (pinned(host), unpinned(host)):
        is_right(host, address, place)
    assert all(request["Accept-Encoding"] == "identity" for request in host.asked)
    assert not any("Range" in request or "Authorization" in request for request in host.asked)


@pytest.mark.parametrize("after", [0, 1, 70_000, 199_999])
def test_what_broke_off_is_gone_on_with(host: Host, place: Path, after: int) -> None:
    host.acts = [breaking_off(after)]
    assert download(unpinned(host), place, QUICK) == host.digest
    assert place.read_bytes() == host.content
    assert host.sent == len(host.content)
    if after:
        assert host.asked[1]["Range"] == f"bytes={after}-"
        assert host.asked[1]["If-Range"] == '"one"'


def test_a_later_call_goes_on_too(host: Host, place: Path) -> None:
    host.acts = [breaking_off(50_000), breaking_off(30_000), breaking_off(20_000)]
    said = interrupted(unpinned(host), place)
    assert said.startswith("broke off after 100,000 of 200,000 bytes (")
    is_right(host, unpinned(host), place)
    assert host.sent == len(host.content)


@pytest.mark.parametrize("seed", range(6))
def test_however_often_it_breaks_off_nothing_comes_twice(
    host: Host, place: Path, seed: int
) -> None:
    rng = random.Random(seed)
    host.acts = [breaking_off(rng.randrange(1, 40_000)) for _ in range(rng.randrange(1, 9))]
    assert download(unpinned(host), place, replace(QUICK, attempts=20)) == host.digest
    assert place.read_bytes() == host.content
    assert host.sent == len(host.content)


def test_a_server_that_cannot_go_on_sends_it_all_again(host: Host, place: Path) -> None:
    host.acts = [breaking_off(50_000), ignoring_range]
    assert download(pinned(host), place, QUICK) == host.digest
    assert host.sent == 50_000 + len(host.content)


@pytest.mark.parametrize("version", [{}, {"ETag": 'W/"weak"'}])
def test_without_a_word_for_the_version_it_begins_anew(
    host: Host, place: Path, version: dict[str, str]
) -> None:
    host.version, host.acts = version, [breaking_off(50_000)]
    assert download(pinned(host), place, QUICK) == host.digest
    assert "Range" not in host.asked[1]


def test_the_date_of_the_last_change_is_such_a_word(host: Host, place: Path) -> None:
    date = "Wed, 21 Oct 2026 07:28:00 GMT"
    host.version = {"ETag": 'W/"weak"', "Last-Modified": date}
    host.acts = [breaking_off(50_000)]
    assert download(pinned(host), place, QUICK) == host.digest
    assert (host.asked[1]["Range"], host.asked[1]["If-Range"]) == ("bytes=50000-", date)


@pytest.mark.parametrize("act", [None, continuing_blindly, ignoring_range])
@pytest.mark.parametrize("size", [50_001, 120_000, 260_000])
def test_a_file_that_changed_meanwhile_is_not_spliced(
    host: Host, place: Path, act: Act | None, size: int
) -> None:
    host.acts = [breaking_off(50_000)]
    interrupted(unpinned(host), place, ONCE)
    host.content, host.version = random.Random(1).randbytes(size), {"ETag": '"two"'}
    host.acts = [act] if act else []
    assert download(unpinned(host), place, QUICK) == host.digest
    assert place.read_bytes() == host.content


def test_a_file_that_shrank_meanwhile_begins_anew(host: Host, place: Path) -> None:
    host.acts = [breaking_off(50_000)]
    interrupted(unpinned(host), place, ONCE)
    host.content = host.content[:20_000]
    assert download(unpinned(host), place, QUICK) == host.digest


def test_what_is_there_of_another_file_is_not_gone_on_with(host: Host, place: Path) -> None:
    host.acts = [breaking_off(50_000)]
    interrupted(unpinned(host), place, ONCE)
    other = Address(host.url.replace("rows", "others"))
    assert download(other, place, QUICK) == host.digest
    assert "Range" not in host.asked[1]


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"url": 3}', '{"version": "x"}'])
def test_a_damaged_note_of_what_is_there_costs_a_new_beginning(
    host: Host, place: Path, damage: str
) -> None:
    host.acts = [breaking_off(50_000)]
    interrupted(unpinned(host), place, ONCE)
    place.with_name("file.part.json").write_text(damage)
    is_right(host, unpinned(host), place)


# Lies.


def test_other_bytes_are_named_and_not_kept(host: Host, place: Path) -> None:
    meant, content = pinned(host), host.content
    host.content = content[:-1] + b"?"
    said = refused(meant, place)
    assert f"has the sha256 {host.digest}, the registry says {meant.sha256}" in said
    assert list(place.parent.iterdir()) == []
    assert len(host.asked) == 1
    host.content = content
    is_right(host, meant, place)


def test_a_length_that_is_too_long(host: Host, place: Path) -> None:
    host.acts = [telling_length(300_000)] * 3
    assert interrupted(unpinned(host), place).startswith("broke off after 200,000 of 300,000 bytes")
    is_right(host, unpinned(host), place)


def test_a_length_that_is_too_short(host: Host, place: Path) -> None:
    meant = Address(host.url, host.digest)
    host.acts = [telling_length(150_000)]
    assert "the registry says" in refused(meant, place)
    is_right(host, meant, place)


@pytest.mark.parametrize("length", [150_000, 300_000])
def test_a_length_that_is_not_the_pinned_one_is_refused_at_once(
    host: Host, place: Path, length: int
) -> None:
    host.acts = [telling_length(length)]
    said = refused(pinned(host), place)
    assert f"has {length:,} bytes by the server's word, 200,000 by the registry's" in said
    is_right(host, pinned(host), place)


def test_an_end_before_the_pinned_size(host: Host, place: Path) -> None:
    meant = pinned(host)
    host.content = host.content[:80_000]
    host.acts = [without_length] * 3
    assert interrupted(meant, place).startswith("broke off after 80,000 of 200,000 bytes")


def test_a_body_beyond_the_pinned_size(host: Host, place: Path) -> None:
    meant = pinned(host)
    host.content += b"more"
    host.acts = [without_length]
    assert refused(meant, place) == "sends more than 200,000 bytes"
    assert list(place.parent.iterdir()) == []


@pytest.mark.parametrize(
    "page",
    [
        sending(b"{}", Content_Type="text/html; charset=utf-8"),
        sending(b"\n <!DOCTYPE html><title>Log in</title>", Content_Type="text/plain"),
        sending(b"<HTML><body>error</body>"),
    ],
)
def test_a_web_page_is_no_data(host: Host, place: Path, page: Act) -> None:
    host.acts = [page]
    assert refused(unpinned(host), place).startswith("answers with a web page, not with data")
    is_right(host, unpinned(host), place)


def test_a_compressed_answer_is_refused(host: Host, place: Path) -> None:
    host.acts = [sending(b"xx", Content_Encoding="gzip")]
    assert refused(unpinned(host), place) == "is sent as gzip, though asked for as it is"


# Refusals and trouble.


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (404, "is not there (HTTP 404 Not Found); check the address"),
        (410, "is not there (HTTP 410 Gone); check the address"),
        (403, "is not open to us (HTTP 403 Forbidden); check the address"),
        (400, "cannot be had (HTTP 400 Bad Request)"),
    ],
)
def test_a_refusal_is_final(host: Host, place: Path, code: int, expected: str) -> None:
    host.acts = [status(code)] * 3
    assert refused(unpinned(host), place) == expected
    assert len(host.asked) == 1


def test_the_hub_asks_for_a_token(host: Host, place: Path) -> None:
    host.acts = [status(401)]
    said = refused(replace(unpinned(host), roams=True), place)
    assert said.endswith("accept its terms there and give HF_TOKEN")


@pytest.mark.parametrize("code", [500, 502, 503, 429, 408])
def test_trouble_that_passes(host: Host, place: Path, code: int) -> None:
    host.acts = [status(code), status(code, Retry_After="7")]
    assert download(unpinned(host), place, QUICK) == host.digest
    assert len(host.asked) == 3


def test_trouble_that_stays(host: Host, place: Path) -> None:
    host.acts = [status(503)] * 3
    said = interrupted(unpinned(host), place)
    assert said == "the server is in trouble (HTTP 503 Service Unavailable)"
    is_right(host, unpinned(host), place)


def test_nobody_answers(place: Path) -> None:
    with serving(Host(b"")) as gone:
        url = gone.url
    said = interrupted(Address(url), place)
    assert said.startswith("cannot be reached (")
    assert "without network" in said


def test_a_killed_download_is_gone_on_with(host: Host, place: Path, root: Path) -> None:
    host.acts = [stalling(60_000)]
    script = (
        "import sys; from pathlib import Path\n"
        "from selfsame.fetching.download import Address, download\n"
        "download(Address(sys.argv[1]), Path(sys.argv[2]))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(root / "workflow_scripts")}
    command = [sys.executable, "-c", script, host.url, str(place)]
    with subprocess.Popen(command, env=environment) as process:
        while not (place.exists() and place.stat().st_size):
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    came = place.stat().st_size
    is_right(host, unpinned(host), place)
    assert host.asked[1]["Range"] == f"bytes={came}-"


# Elsewhere.


def elsewhere(host: Host) -> str:
    """The same server under another host's name."""
    return host.url.replace("127.0.0.1", "localhost")


@pytest.mark.parametrize("target", ["/other/rows.jsonl", "rows.jsonl?signed=1"])
def test_a_redirection_within_the_host_is_followed(host: Host, place: Path, target: str) -> None:
    host.acts = [redirect(target)]
    is_right(host, unpinned(host), place)


def test_another_host_may_send_what_is_pinned(host: Host, place: Path) -> None:
    host.acts = [redirect(elsewhere(host))]
    is_right(host, pinned(host), place)


def test_another_host_may_not_send_what_is_not(host: Host, place: Path) -> None:
    host.acts = [redirect(elsewhere(host))]
    said = refused(unpinned(host), place)
    assert said.startswith("is redirected to another host, localhost; it is followed where")
    assert len(host.asked) == 1


def test_the_hub_may_send_us_to_its_stores_but_the_token_stays(host: Host, place: Path) -> None:
    host.acts = [redirect("/again"), redirect(elsewhere(host))]
    hub = Address(host.url, roams=True, token="hf_secret")
    is_right(host, hub, place)
    sent = [request.get("Authorization") for request in host.asked]
    assert sent == ["Bearer hf_secret", "Bearer hf_secret", None]
    assert "hf_secret" not in repr(hub)


@pytest.mark.parametrize("target", ["http://example.org/x", "ftp://example.org/x", "file:///etc"])
def test_a_redirection_to_what_is_not_safe_is_refused(host: Host, place: Path, target: str) -> None:
    host.acts = [redirect(target)]
    assert "which is refused: only https is followed" in refused(pinned(host), place)


def test_a_redirection_without_end(host: Host, place: Path) -> None:
    host.acts = [redirect("/round")] * 9
    assert refused(pinned(host), place) == "is redirected more than 5 times"


# A disk that is full.


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("to mount a small disk needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this place allows no mounts")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk(host: Host, small_disk: Path) -> None:
    place = small_disk / "file.part"
    said = refused(pinned(host), place)
    assert said.startswith("has 200,000 bytes, and there is room for ")
    host.acts = [without_length]
    said = refused(Address(host.url), place)
    assert said == f"no space left on the disk of {small_disk}"
    assert list(small_disk.iterdir()) == []
    subprocess.run(["mount", "-o", "remount,size=1m", str(small_disk)], check=True)
    is_right(host, pinned(host), place)


def test_the_note_beside_a_part_says_what_it_is_of(host: Host, place: Path) -> None:
    host.acts = [breaking_off(50_000)]
    interrupted(unpinned(host), place, ONCE)
    note = json.loads(place.with_name("file.part.json").read_text())
    assert note == {"url": host.url, "version": '"one"', "total": 200_000}
