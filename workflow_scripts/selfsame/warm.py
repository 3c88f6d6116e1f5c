"""Warm workers: pay the imports of torch, transformers and peft once a run, not once a job.

On the organism those imports (about 5 s) cost more than a job's own work. The first job of a run
starts a server that has imported the third-party libraries and nothing of selfsame, and that forks
a child for every job: each job is still a process of its own with its own files, arguments, output
and exit status, and always runs the library's code as it is on disk now.

The workflow offers a server by setting SELFSAME_WARM to a private folder (see `offer`); without it,
or when no server can be reached, a job simply runs by itself. The server goes when the workflow's
process does. A killed job takes its child with it, since the child watches the connection.
"""

import contextlib
import fcntl
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

VARIABLE = "SELFSAME_WARM"
LIBRARIES = (
    "pandas",
    "peft",
    "peft.utils.transformers_weight_conversion",
    "pyarrow.dataset",
    "pyarrow.pandas_compat",
    "pyarrow.parquet",
    "pydantic.functional_validators",
    "pydantic.main",
    "pydantic.type_adapter",
    "safetensors.torch",
    "torch",
    "transformers",
    "transformers.models.auto.modeling_auto",
    "transformers.models.llama.modeling_llama",
    "transformers.optimization",
)
PATIENCE_S = 60
MESSAGE_BYTES = 4 * 1024 * 1024
MOST_DESCRIPTORS = 8


def offer() -> None:
    """Let the jobs of this process share a server; it lives no longer than this process.

    A server that a caller has offered to several runs stays the one they share.
    """
    folder = Path(tempfile.gettempdir()) / f"selfsame-{os.getuid()}-{os.getpid()}"
    os.environ[VARIABLE] = os.environ.get(VARIABLE) or str(folder)


def delegate(argv: list[str], held: Sequence[int] = ()) -> None:
    """Run this job in a warm child and end with its status, or return where there is no server.

    held: descriptors that the child keeps open for as long as it lives (locks).
    """
    folder = os.environ.get(VARIABLE)
    if not folder:
        return
    connection = _connect(Path(folder))
    if connection is None:
        return
    environment = {k: v for k, v in os.environ.items() if k != VARIABLE}
    request = json.dumps({"argv": argv, "cwd": str(Path.cwd()), "environment": environment})
    size = len(request.encode()).to_bytes(8, "big")
    socket.send_fds(connection, [size], [0, 1, 2, *held])
    connection.sendall(request.encode())
    status = connection.recv(1)
    sys.exit(status[0] if status else "error: the job's process was killed (out of memory?)")


def _connect(folder: Path) -> socket.socket | None:
    """A connection to the server, started by whoever comes first."""
    owner = int(folder.name.rsplit("-", 1)[1])
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if folder.stat().st_uid != os.getuid():
        return None
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "socket").exists():
            _start(folder, owner)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(folder / "socket"))
    except OSError:
        return None
    return connection


def _start(folder: Path, owner: int) -> None:
    quiet = subprocess.DEVNULL
    # -P: this file's folder holds packages named like the standard library's (statistics).
    command = [sys.executable, "-P", __file__, str(folder), str(owner)]
    server = subprocess.Popen(
        command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
    )
    deadline = time.monotonic() + PATIENCE_S
    while not (folder / "socket").exists() and server.poll() is None:
        if time.monotonic() > deadline:
            return
        time.sleep(0.02)


def serve(folder: Path, owner: int) -> None:
    """Accept jobs until the process `owner` is gone."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "unready"))
    listener.listen(64)
    (folder / "unready").rename(folder / "socket")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for library in LIBRARIES:
        importlib.import_module(library)
    gc.freeze()  # children share these pages, and their collections pass over them
    listener.settimeout(1.0)
    while _alive(owner):
        with contextlib.suppress(TimeoutError):
            connection, _ = listener.accept()
            _fork(connection, listener)
    for name in ("socket", "lock"):
        (folder / name).unlink(missing_ok=True)
    folder.rmdir()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _fork(connection: socket.socket, listener: socket.socket) -> None:
    if os.fork() == 0:
        listener.close()
        _child(connection)
    connection.close()


def _child(connection: socket.socket) -> NoReturn:
    connection.settimeout(None)
    size, descriptors, _, _ = socket.recv_fds(connection, 8, MOST_DESCRIPTORS)
    for target, descriptor in enumerate(descriptors[:3]):
        os.dup2(descriptor, target)
    request = json.loads(_receive(connection, int.from_bytes(size, "big")))
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    threading.Thread(target=_die_with, args=(connection,), daemon=True).start()
    status = _run(request["argv"])
    connection.sendall(bytes([status]))
    os._exit(status)


def _receive(connection: socket.socket, size: int) -> bytes:
    if size > MESSAGE_BYTES:
        raise ValueError(f"a job's arguments and environment take {size} bytes")
    parts = bytearray()
    while len(parts) < size:
        part = connection.recv(size - len(parts))
        if not part:
            os._exit(1)
        parts += part
    return bytes(parts)


def _die_with(connection: socket.socket) -> None:
    """The job that asked is gone (killed): so is its work."""
    if not connection.recv(1):
        os.kill(os.getpid(), signal.SIGKILL)


def _run(argv: list[str]) -> int:
    sys.argv = argv
    sys.path.insert(0, str(Path(argv[0]).resolve().parent))
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
    status = 0
    try:
        runpy.run_path(argv[0], run_name="__main__")
    except SystemExit as end:
        status = _status(end)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return status


def _status(end: SystemExit) -> int:
    if isinstance(end.code, str):
        print(end.code, file=sys.stderr)
        return 1
    return int(end.code or 0)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]))
