"""A web server on this machine that serves one file, and misbehaves as a test asks it to."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

Act = Callable[["Exchange"], None]


@dataclass
class Exchange:
    """One request and the means to answer it."""

    handler: BaseHTTPRequestHandler
    host: "Host"

    @property
    def offset(self) -> int:
        """Where the asked range begins."""
        asked = self.handler.headers.get("Range", "bytes=0-")
        return int(asked.removeprefix("bytes=").removesuffix("-"))

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the head of the answer."""
        self.handler.send_response(status)
        for name, value in {"Connection": "close", **headers}.items():
            self.handler.send_header(name, value)
        self.handler.end_headers()

    def body(self, data: bytes) -> None:
        """Send a piece of the body; a client that has gone hears nothing more."""
        self.host.sent += len(data)
        with suppress(OSError):
            self.handler.wfile.write(data)


@dataclass
class Host:
    """What is served, what comes next, and what was asked so far.

    acts: answers one request each; when they are used up, the file is served as it should be.
    version: headers by which the server knows this content; none of them: it has no word for it.
    """

    content: bytes
    version: dict[str, str] = field(default_factory=lambda: {"ETag": '"one"'})
    acts: list[Act] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    sent: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        """Where the file is served."""
        return f"http://127.0.0.1:{self.port}/data/rows.jsonl"

    @property
    def digest(self) -> str:
        """Hex SHA-256 of the content."""
        return sha256(self.content).hexdigest()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request by the next act."""
        self.asked.append({"path": handler.path, **dict(handler.headers.items())})
        act = self.acts.pop(0) if self.acts else whole
        act(Exchange(handler, self))


def whole(exchange: Exchange) -> None:
    """As RFC 9110 has it: the file, or the rest of it if it is still this version."""
    host, headers = exchange.host, exchange.handler.headers
    same = headers.get("If-Range") in (None, *host.version.values())
    offset = exchange.offset if same else 0
    if offset >= len(host.content) > 0:
        exchange.head(416, {"Content-Range": f"bytes */{len(host.content)}"})
        return
    rest = host.content[offset:]
    length = {"Content-Length": str(len(rest)), "Content-Type": "application/octet-stream"}
    if offset:
        last = len(host.content) - 1
        length["Content-Range"] = f"bytes {offset}-{last}/{len(host.content)}"
    exchange.head(206 if offset else 200, {**host.version, **length})
    exchange.body(rest)


def breaking_off(after: int) -> Act:
    """The connection ends after so many bytes of what was asked for."""

    def act(exchange: Exchange) -> None:
        class Cut(Exchange):
            def body(self, data: bytes) -> None:
                super().body(data[:after])

        whole(Cut(exchange.handler, exchange.host))

    return act


def stalling(after: int) -> Act:
    """So many bytes, and then nothing for as long as the client waits."""

    def act(exchange: Exchange) -> None:
        host = exchange.host
        exchange.head(200, {**host.version, "Content-Length": str(len(host.content))})
        exchange.body(host.content[:after])
        exchange.handler.connection.recv(1)  # returns when the client is gone

    return act


def ignoring_range(exchange: Exchange) -> None:
    """The whole file, whatever was asked for."""
    host = exchange.host
    exchange.head(200, {**host.version, "Content-Length": str(len(host.content))})
    exchange.body(host.content)


def continuing_blindly(exchange: Exchange) -> None:
    """The rest of what it has now, although it has another version by now."""
    host, offset = exchange.host, exchange.offset
    rest, last = host.content[offset:], len(host.content) - 1
    range_of = {"Content-Range": f"bytes {offset}-{last}/{len(host.content)}"}
    exchange.head(206, {**host.version, **range_of, "Content-Length": str(len(rest))})
    exchange.body(rest)


def telling_length(length: int) -> Act:
    """The whole file under a false length."""

    def act(exchange: Exchange) -> None:
        exchange.head(200, {**exchange.host.version, "Content-Length": str(length)})
        exchange.body(exchange.host.content)

    return act


def without_length(exchange: Exchange) -> None:
    """The whole file; that it has ended is told by the end of the connection alone."""
    exchange.head(200, exchange.host.version)
    exchange.body(exchange.host.content)


def sending(content: bytes, **headers: str) -> Act:
    """Something else in place of the file."""

    def act(exchange: Exchange) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        exchange.head(200, {"Content-Length": str(len(content)), **named})
        exchange.body(content)

    return act


def status(code: int, **headers: str) -> Act:
    """A status without a body."""

    def act(exchange: Exchange) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        exchange.head(code, {"Content-Length": "0", **named})

    return act


def redirect(to: str) -> Act:
    """Elsewhere."""
    return status(302, Location=to)


@contextmanager
def serving(host: Host) -> Iterator[Host]:
    """Have a host answer on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            host.answer(self)

        def log_message(self, *_arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        host.port = server.server_address[1]
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield host
        server.shutdown()
