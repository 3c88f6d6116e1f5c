"""A base model is copied to a node once, also when many want it and one of them is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

USER = """
import sys, time
from pathlib import Path
from selfsame.cache import staging
from selfsame.publish import digests_of
import hashlib

def digest_of(folder):
    return hashlib.sha256((folder / "weights").read_bytes()).hexdigest()

real = staging.shutil.copyfile
def slow(*paths):
    print("copying", flush=True)
    time.sleep(float(sys.argv[2]))
    real(*paths)
staging.shutil.copyfile = slow
model = Path(sys.argv[1])
print(staging.stage([model / "weights"], digest_of(model), digest_of), flush=True)
time.sleep(float(sys.argv[3]))
"""


class Node:
    """A node folder, and processes that want a model on it."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.folder, self.root = folder, root
        self.limit = 1.0

    def model(self, name: str, size: int = 1000) -> Path:
        model = self.folder / name
        model.mkdir(parents=True)
        (model / "weights").write_bytes(name.encode() * size)
        return model

    def start(self, model: Path, copying: float = 0, using: float = 0) -> "subprocess.Popen[str]":
        settings = {"enabled": True, "shared": "unused", "node": str(self.folder / "node")}
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.root / "workflow_scripts"),
            "SELFSAME_CACHE": json.dumps({**settings, "limit_gb": self.limit}),
        }
        command = [sys.executable, "-c", USER, str(model), str(copying), str(using)]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    def copies(self) -> set[bytes]:
        return {path.read_bytes() for path in (self.folder / "node" / "models").glob("*/weights")}


@pytest.fixture
def node(tmp_path: Path, root: Path) -> Node:
    return Node(tmp_path, root)


def said(process: "subprocess.Popen[str]") -> list[str]:
    return process.communicate(timeout=60)[0].splitlines()


def test_many_jobs_copy_once(node: Node) -> None:
    model = node.model("m")
    answers = [said(process) for process in [node.start(model, copying=0.5) for _ in range(5)]]
    assert sum(line.startswith("copying") for lines in answers for line in lines) == 1
    assert len({lines[-1] for lines in answers}) == 1
    assert (Path(answers[0][-1]) / "weights").read_bytes() == (model / "weights").read_bytes()


def test_a_killed_holder_leaves_nothing_in_the_way(node: Node) -> None:
    model = node.model("m")
    killed = node.start(model, copying=60)
    assert killed.stdout is not None
    assert killed.stdout.readline() == "copying\n"
    waiting = node.start(model)
    time.sleep(0.3)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    lines = said(waiting)
    assert (Path(lines[-1]) / "weights").read_bytes() == (model / "weights").read_bytes()
    assert not list((node.folder / "node" / "models").glob("*.partial"))


def test_room_is_made_by_what_nobody_uses(node: Node) -> None:
    node.limit = 2500 / 1e9
    said(node.start(node.model("a")))
    user = node.start(node.model("b"), using=60)
    assert user.stdout is not None
    assert [user.stdout.readline(), user.stdout.readline()][0] == "copying\n"
    user.stdout.readline()
    said(node.start(node.model("c")))
    said(node.start(node.model("d")))
    user.kill()
    user.communicate()
    assert node.copies() == {b"b" * 1000, b"d" * 1000}


def test_a_node_without_room_reads_the_model_where_it_lies(node: Node) -> None:
    (node.folder / "node").write_text("no folder")
    lines = said(node.start(node.model("m")))
    assert lines[-1] == "None"
    assert "read where it lies" in lines[0]
