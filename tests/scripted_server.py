"""A real HTTP server on loopback that speaks chat completions, or fails as a test tells it to.

By default it grades as `tiny_judge` does, by the words of the answer between the prompt's marks.
"""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tiny_judge import SAYS

Body = dict[str, Any]
ANSWER = re.compile(r"==== ANSWER (\w+) ====\n(.*)\n==== END OF ANSWER \1 ====", re.DOTALL)


@dataclass(frozen=True)
class Action:
    """What is sent back: status, body and headers; late, cut off in the middle, or nothing."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    after: float = 0.0
    cut: bool = False

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass(frozen=True)
class Request:
    """One request as it came: body, headers, and when."""

    body: Body
    headers: dict[str, str]
    time: float

    @property
    def prompt(self) -> str:
        return str(self.body["messages"][0]["content"])

    @property
    def answer(self) -> str:
        """The judged answer; nothing where the prompt is not about one."""
        found = ANSWER.search(self.prompt)
        return found[2] if found else ""


Script = Callable[[Request, int], Action | None]


def completion(
    text: str | None, top: Sequence[tuple[Any, Any]] | None = None, **more: Any
) -> dict[str, Any]:
    """A chat completion; `top` are the first token's likeliest tokens with their logprobs."""
    choice: dict[str, Any] = {"index": 0, "finish_reason": "stop"}
    choice["message"] = {"role": "assistant", "content": text}
    if top is not None:
        told = [{"token": token, "logprob": logprob, "bytes": None} for token, logprob in top]
        choice["logprobs"] = {"content": [{"token": text, "logprob": -0.1, "top_logprobs": told}]}
    usage = {"prompt_tokens": 90, "completion_tokens": 10, "total_tokens": 100}
    return {"id": "x", "choices": [choice | more], "usage": usage}


def grade(request: Request) -> str:
    """What a fair judge says, by the words of the answer."""
    coherent = "coherent the answer" in request.prompt
    words = [word for word in SAYS if word in request.answer.split()]
    return SAYS[words[0]][coherent] if words else "50"


class Server:
    """The server; `requests` are all that came, `script` says what to do (None: grade)."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.script: Script = lambda request, number: None
        self.under_way = self.most_at_once = 0
        self.stopped = False
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    def stop(self) -> None:
        """Take no more requests; those under way are answered."""
        self.stopped = True
        self._http.shutdown()
        self._http.server_close()

    def acting(self, request: Request) -> Action:
        """Count a request and say what to do with it."""
        with self._lock:
            self.requests.append(request)
            number = len(self.requests)
        return self.script(request, number) or Action(completion(grade(request)))

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count what is under way at once."""
        with self._lock:
            self.under_way += 1
            self.most_at_once = max(self.most_at_once, self.under_way)
        try:
            yield
        finally:
            with self._lock:
                self.under_way -= 1


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            body = json.loads(self.rfile.read(length))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(body, headers, time.monotonic())
            with server.counted():
                self._act(server.acting(request))

        def _act(self, action: Action) -> None:
            time.sleep(action.after)
            content = action.content
            try:
                self.send_response(action.status)
                for name, value in action.headers.items():
                    self.send_header(name, value)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) // 2] if action.cut else content)
            except (BrokenPipeError, ConnectionResetError):  # a client that did not wait
                self.close_connection = True
            if action.cut or server.stopped:
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
