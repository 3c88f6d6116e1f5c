"""Download one file: streamed to the disk, resumed where it broke off, never spliced.

    digest = download(Address("https://example.org/rows.jsonl"), folder / "download.part")

What has come so far lies at `place`, and beside it (`<place>.json`) what it is a part of: the URL,
the server's word for this version of the file (a strong ETag, else the date of its last change) and
the size. A later call asks for the rest of that version (RFC 9110, Range and If-Range); where the
server has another one by now, or has no such word, the download begins anew.
"""

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import httpx2
from pydantic import BaseModel, ConfigDict
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_exponential

from selfsame.digests import sha256_file
from selfsame.errors import TryAgain, UserError
from selfsame.fetching.addresses import Address, is_same_origin, no_way

MOST_REDIRECTS = 5
MOST_BYTES = 50 * 10**9  # of a file whose size nobody has told
CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")
FULL = (errno.ENOSPC, errno.EDQUOT)
BUSY = (408, 425, 429)
CLOSED = (401, 403)
GONE = (404, 410)


class InterruptedDownload(TryAgain):
    """Trouble that may be over soon; retry_after_s: how long the server asks us to wait."""

    def __init__(self, text: str, retry_after_s: float = 0) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True)
class Patience:
    """How often a download is tried, and seconds: to connect, between two pieces, between tries."""

    attempts: int = 5
    connect_s: float = 15
    read_s: float = 60
    wait_s: float = 1
    longest_wait_s: float = 60


class Version(BaseModel):
    """Of which file what is there is a part: its URL, the server's word for it, its size."""

    model_config = ConfigDict(frozen=True)

    url: str
    version: str = ""
    total: int | None = None


@dataclass(frozen=True)
class Begun:
    """What is there already: how many bytes, and of what."""

    offset: int
    of: Version


PATIENT = Patience()


def download(address: Address, place: Path, patience: Patience = PATIENT) -> str:
    """Have the whole file at `place`; returns its sha256 in hex.

    Raises UserError, one line, where the file cannot be had or is not the one that is pinned
    (nothing of it is kept then), and TryAgain where the network or the server failed to the last
    attempt (what has come is kept for the next call).
    """
    retrying = Retrying(
        stop=stop_after_attempt(patience.attempts),
        wait=_waiting(patience),
        retry=retry_if_exception_type(InterruptedDownload),
        before_sleep=_tell,
        reraise=True,
    )
    limits = httpx2.Timeout(patience.read_s, connect=patience.connect_s)
    with httpx2.Client(timeout=limits, headers={"User-Agent": "selfsame"}) as client:
        retrying(_take, client, address, place)
    digest = sha256_file(place)
    if address.sha256 not in (None, digest):
        _discard(place)
        raise UserError(
            f"{address.url}: has the sha256 {digest}, the registry says {address.sha256}: this is"
            " not the file that was meant, and it is not kept"
        )
    _state(place).unlink(missing_ok=True)
    return digest


def _waiting(patience: Patience) -> Callable[[RetryCallState], float]:
    """Longer from attempt to attempt, and as long as the server asks."""
    longest = patience.longest_wait_s
    growing = wait_exponential(multiplier=patience.wait_s, max=longest)

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        return max(growing(state), min(getattr(error, "retry_after_s", 0), longest))

    return wait


def _tell(state: RetryCallState) -> None:
    if state.outcome:
        print(f"{state.outcome.exception()}; trying again", flush=True)


def _take(client: httpx2.Client, address: Address, place: Path) -> None:
    """One attempt at the rest of the file, or at all of it."""
    begun = _begun(address, place)
    if begun.offset and begun.offset == begun.of.total:
        return
    try:
        with _answer(client, address, begun) as answer:
            total = _accept(answer, address, begun, place)
            offset = begun.offset if answer.status_code == HTTPStatus.PARTIAL_CONTENT else 0
            _write(answer, address, place, offset, total)
    except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError) as error:
        raise InterruptedDownload(
            f"{address.url}: cannot be reached ({_reason(error)}); on a machine without network,"
            " fetch it from one that has it (docs/datasets.md)"
        ) from error
    except httpx2.TransportError as error:
        raise _broken_off(address, place, _reason(error)) from error
    except OSError as error:
        if error.errno not in FULL:
            raise
        _discard(place)
        raise UserError(f"{address.url}: no space left on the disk of {place.parent}") from error


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _broken_off(address: Address, place: Path, reason: str) -> InterruptedDownload:
    came = place.stat().st_size if place.exists() else 0
    total = _begun(address, place).of.total or address.size_bytes
    of = f" of {total:,}" if total else ""
    return InterruptedDownload(f"{address.url}: broke off after {came:,}{of} bytes ({reason})")


# What is there already.


def _state(place: Path) -> Path:
    return place.with_name(f"{place.name}.json")


def _discard(place: Path) -> None:
    for path in (place, _state(place)):
        path.unlink(missing_ok=True)


def _begun(address: Address, place: Path) -> Begun:
    """The part that may be gone on with: of this very URL, its version known."""
    try:
        of = Version.model_validate_json(_state(place).read_bytes())
        offset = place.stat().st_size
    except (OSError, ValueError):  # none, or cut off while it was written
        return Begun(0, Version(url=address.url))
    return Begun(offset if of.url == address.url and of.version else 0, of)


def _begin(address: Address, place: Path, version: str, total: int | None) -> None:
    """Forget what was there, and note what is about to come."""
    _discard(place)
    place.touch()
    of = Version(url=address.url, version=version, total=total)
    _state(place).write_text(of.model_dump_json(), encoding="utf-8")


# What the server says.


@contextmanager
def _answer(client: httpx2.Client, address: Address, begun: Begun) -> Iterator[httpx2.Response]:
    """The answer at the end of the redirections."""
    url = address.url
    for _ in range(MOST_REDIRECTS + 1):
        with client.stream("GET", url, headers=_headers(address, url, begun)) as answer:
            if not answer.has_redirect_location:
                yield answer
                return
            url = _onward(address, answer)
    raise UserError(f"{address.url}: is redirected more than {MOST_REDIRECTS} times")


def _headers(address: Address, url: str, begun: Begun) -> dict[str, str]:
    headers = {"Accept-Encoding": "identity"}
    if address.token and is_same_origin(url, address.url):
        headers["Authorization"] = f"Bearer {address.token}"
    if begun.offset:
        headers |= {"Range": f"bytes={begun.offset}-", "If-Range": begun.of.version}
    return headers


def _onward(address: Address, answer: httpx2.Response) -> str:
    try:
        new = str(answer.url.join(answer.headers["location"]))
    except httpx2.InvalidURL as error:
        raise UserError(f"{address.url}: is redirected to what is no URL") from error
    problem = no_way(address, str(answer.url), new)
    if problem:
        raise UserError(f"{address.url}: {problem}")
    return new


def _accept(answer: httpx2.Response, address: Address, begun: Begun, place: Path) -> int | None:
    """The size of the whole file as the answer tells it, once the answer is one to write down."""
    if answer.status_code == HTTPStatus.PARTIAL_CONTENT and begun.offset:
        return _accept_rest(answer, address, begun, place)
    if answer.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and begun.offset:
        raise _changed(address, place)
    if answer.status_code != HTTPStatus.OK:
        raise _refusal(address, answer)
    encoding = answer.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise UserError(f"{address.url}: is sent as {encoding}, though asked for as it is")
    if answer.headers.get("content-type", "").lower().startswith("text/html"):
        raise _web_page(address)
    length = answer.headers.get("content-length", "")
    total = int(length) if length.isdecimal() else None
    _check_size(address, total, place)
    _begin(address, place, _version(answer), total)
    return total


def _accept_rest(
    answer: httpx2.Response, address: Address, begun: Begun, place: Path
) -> int | None:
    found = CONTENT_RANGE.fullmatch(answer.headers.get("content-range", ""))
    rest = (int(found[1]), int(found[2])) if found else None
    if rest != (begun.offset, begun.of.total) or _version(answer) != begun.of.version:
        raise _changed(address, place)
    return begun.of.total


def _version(answer: httpx2.Response) -> str:
    """The server's word for this version; empty where it has none that can be relied on."""
    etag = str(answer.headers.get("etag", ""))
    weak = etag.startswith("W/")
    return str(answer.headers.get("last-modified", "")) if weak or not etag else etag


def _changed(address: Address, place: Path) -> InterruptedDownload:
    _discard(place)
    return InterruptedDownload(f"{address.url}: changed on the server since it was begun")


def _check_size(address: Address, total: int | None, place: Path) -> None:
    if total is None:
        return
    if address.size_bytes not in (None, total):
        raise UserError(
            f"{address.url}: has {total:,} bytes by the server's word, {address.size_bytes:,} by"
            " the registry's: this is not the file that was meant"
        )
    free = shutil.disk_usage(place.parent).free
    if total > free:
        raise UserError(
            f"{address.url}: has {total:,} bytes, and there is room for {free:,} in {place.parent}"
        )


def _web_page(address: Address) -> UserError:
    return UserError(
        f"{address.url}: answers with a web page, not with data: a log-in or an error page? Check"
        " the address"
    )


def _refusal(address: Address, answer: httpx2.Response) -> UserError:
    status = answer.status_code
    said = f"HTTP {status} {answer.reason_phrase}".strip()
    if status in GONE:
        return UserError(f"{address.url}: is not there ({said}); check the address")
    if status in CLOSED:
        mend = "accept its terms there and give HF_TOKEN" if address.roams else "check the address"
        return UserError(f"{address.url}: is not open to us ({said}); {mend}")
    if status in BUSY or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        asked = answer.headers.get("retry-after", "")
        seconds = float(asked) if asked.isdecimal() else 0.0
        return InterruptedDownload(f"{address.url}: the server is in trouble ({said})", seconds)
    return UserError(f"{address.url}: cannot be had ({said})")


# What comes.


def _write(
    answer: httpx2.Response, address: Address, place: Path, offset: int, total: int | None
) -> None:
    """Append what comes; a body that is shorter than it was told to be is broken off."""
    wanted = total if total is not None else address.size_bytes
    most = MOST_BYTES if wanted is None else wanted
    came = offset
    with place.open("ab") as file:
        for piece in answer.iter_raw():
            if came == 0 and _looks_like_a_page(piece):
                raise _web_page(address)
            came += len(piece)
            if came > most:
                _discard(place)
                raise UserError(f"{address.url}: sends more than {most:,} bytes")
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    if wanted is not None and came < wanted:
        raise _broken_off(address, place, "the server ended it")


def _looks_like_a_page(piece: bytes) -> bool:
    return piece.lstrip()[:15].lower().startswith((b"<!doctype html", b"<html"))
