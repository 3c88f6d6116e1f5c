"""Real servers of chat models on loopback, each a process of its own."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PATIENCE_S = 120
LLAMA_CPP = """
import sys
import xllamacpp
given = xllamacpp.CommonParams()
given.model.path, given.port, given.hostnames = sys.argv[1], int(sys.argv[2]), ["127.0.0.1"]
given.api_keys = sys.argv[3:]
given.n_ctx, given.n_parallel, given.cpuparams.n_threads, given.warmup = 4096, 2, 1, False
given.use_jinja = True
server = xllamacpp.Server(given)
sys.stdin.read()
"""


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def llama_cpp(file: Path, port: int, *keys: str) -> Iterator["subprocess.Popen[bytes]"]:
    """llama.cpp's server on a GGUF file; it wants one of these keys, if there are any."""
    command = [sys.executable, "-c", LLAMA_CPP, str(file), str(port), *keys]
    with _running(command, port) as process:
        yield process


@contextmanager
def transformers_serve(folder: Path, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """`transformers serve` on a model directory, on the CPU and offline."""
    program = Path(sys.executable).with_name("transformers")
    command = [program, "serve", folder, "--host", "127.0.0.1", "--port", str(port)]
    with _running([*map(str, command), "--device", "cpu"], port) as process:
        yield process


@contextmanager
def _running(command: Sequence[str], port: int) -> Iterator["subprocess.Popen[bytes]"]:
    offline = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command,
        env=os.environ | offline,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(process, f"http://127.0.0.1:{port}/health")
        yield process
    finally:
        process.kill()
        process.wait()


def _wait(process: "subprocess.Popen[bytes]", address: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        assert process.poll() is None, f"{process.args} ended with {process.returncode}"
        try:
            urllib.request.urlopen(address, timeout=5).close()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(address)
