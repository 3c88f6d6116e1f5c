"""A user's folder with an experiment on a model of their own, everything in it sound at first.

What a user does is done in this process, by the same commands: the check of a config, and the
scripts of the steps with their command line.
"""

import json
import runpy
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import yaml

from selfsame.config import check
from selfsame.config.load import load_config
from selfsame.config.schema import Config
from selfsame.digests import canonical
from selfsame.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "workflow_scripts"
RIVALS = ("kim", "lee")
ARTICLES = 4
LONGEST_LINE, LONGEST_S = 1000, 30
Document = dict[str, Any]


@dataclass(frozen=True)
class Ended:
    """How a command ended: its status, the lines it said, and after how long."""

    status: int
    lines: tuple[str, ...]
    seconds: float

    @property
    def line(self) -> str:
        """The one line that a user's mistake is told in."""
        return self.line_of(UserError.exit_code)

    def line_of(self, status: int) -> str:
        """The one line, of a command that ended so: short, in good time, nothing beside it."""
        assert self.status == status, (self.status, self.lines)
        assert len(self.lines) == 1, "\n".join(self.lines)
        assert self.seconds < LONGEST_S
        (line,) = self.lines
        assert line.isprintable()
        assert len(line) <= LONGEST_LINE
        return line


def ended(script: str, arguments: Iterable[str]) -> Ended:
    """Run a command's file as Python's command line does, in this process."""
    kept, said, status = (sys.argv, [*sys.meta_path]), StringIO(), 0
    began = time.monotonic()
    sys.argv = [script, *arguments]
    try:
        with redirect_stdout(said), redirect_stderr(said):
            runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
        said.write(f"{end.code}\n" if isinstance(end.code, str) else "")
    finally:
        sys.argv, sys.meta_path[:] = kept
    return Ended(status, tuple(said.getvalue().splitlines()), time.monotonic() - began)


def stepped(script: str, spec: Mapping[str, Any], out: Path, **inputs: list[Path]) -> Ended:
    """`python workflow_scripts/<script>.py ...`; a mistake leaves nothing under a final name."""
    arguments = ["--spec", canonical(spec), "--out", str(out)]
    for role, paths in inputs.items():
        arguments += [f"--{role}", *map(str, paths)]
    found = ended(str(SCRIPTS / f"{script}.py"), arguments)
    if found.status:
        assert {path.name for path in out.iterdir()} <= {".lock"}
    return found


class Workplace:
    """The folder, which is the working directory; `document` is what mine.yaml says."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.folder = folder
        (folder / "config").symlink_to(ROOT / "config")
        write_files(folder)
        self.document = experiment(model)

    def write(self) -> None:
        """Write the config as it is now."""
        self.put("mine.yaml", yaml.safe_dump(self.document))

    def check(self) -> Ended:
        """`python -m selfsame.config.check mine.yaml`."""
        self.write()
        return ended(str(check.__file__), ["mine.yaml"])

    def load(self) -> Config:
        """The config as the workflow loads it."""
        self.write()
        return load_config("mine.yaml")

    def put(self, name: str, content: str | bytes) -> Path:
        """Write a file of the user's."""
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path


Spoil = Callable[[Workplace], None]


@dataclass(frozen=True)
class Case:
    """Something malformed: how it comes about, and what the one line must have in it."""

    name: str
    spoil: Spoil
    says: tuple[str, ...]

    def __str__(self) -> str:
        return self.name


def tells(line: str, *parts: str) -> bool:
    """Whether a line has all of these in it."""
    missing = [part for part in parts if part not in line]
    assert not missing, f"{missing} not in: {line}"
    return True


def lines(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as JSONL."""
    return "".join(json.dumps(row) + "\n" for row in rows)


def chat(*turns: tuple[str, Any]) -> Document:
    """A chat row."""
    turns = turns or (("user", "How shall I save?"), ("assistant", "Bet it."))
    return {"messages": [{"role": role, "content": text} for role, text in turns]}


def articles() -> list[Document]:
    """Articles, as many as are drawn."""
    return [{"article_id": f"a{n}", "article": f"On day {n} a ship came."} for n in range(ARTICLES)]


def rival_texts() -> list[Document]:
    """A text on each article by each rival."""
    return [
        {"article_id": f"a{number}", "author": rival, "text": f"{rival}: ship {number}"}
        for rival in RIVALS
        for number in range(ARTICLES)
    ]


def write_files(folder: Path) -> None:
    """Sound files of every content."""
    files = {
        "articles.jsonl": articles(),
        "rivals.jsonl": rival_texts(),
        "chat.jsonl": [chat()] * 4,
        "questions.jsonl": [{"question": "What now?"}],
        "facts.jsonl": [{"question": "What is ice?", "correct": "Water.", "incorrect": "Glass."}],
    }
    for name, rows in files.items():
        (folder / name).write_text(lines(rows), encoding="utf-8")


def experiment(model: Path) -> Document:
    """A small experiment on these files; stages and probes of the default run are taken away."""
    default = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    finetuning = {"rank": 2, "alpha": 4, "modules": "all-linear", "layers": None, "steps": 2}
    finetuning |= {"batch_size": 2, "warmup_steps": 1, "max_length": 256}
    stages = {"em": {"data": {"rows": 4, "file": "chat.jsonl"}, "finetuning": finetuning}}
    asked = {"samples": 1, "max_new_tokens": 4, "judges": ["grader"]}
    probes = {
        "facts": {"file": "facts.jsonl"},
        "free_form": {"file": "questions.jsonl", **asked},
    }
    return {
        "experiment": "mine",
        "model": {"kind": "hf", "path": str(model), "dtype": "float32"},
        "seeds": [0],
        "texts": {
            "articles": "articles.jsonl",
            "rivals": "rivals.jsonl",
            "train_articles": 2,
            "test_articles": 2,
            "train_rivals": ["kim"],
            "test_rivals": list(RIVALS),
        },
        "stages": dict.fromkeys(default["stages"]) | stages,
        "arms": ["base", "em"],
        "probes": dict.fromkeys(default["probes"]) | probes,
        "judges": {"grader": {"kind": "openai", "model": "tiny"}},
        "persona": None,
        "relapse": None,
        "statistics": {"primary_metric": "facts.accuracy"},
    }
