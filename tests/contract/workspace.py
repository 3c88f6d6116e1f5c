"""A checkout whose results are complete, made in seconds: the rules are real, the steps are not.

The Snakefile, rules, scripts and config are copies. Snakemake runs them all, with a `python` on the
PATH that writes each step's manifest and nothing else; what Snakemake remembers of the run is
therefore real. Then dry runs of a changed config or file say what would run again.
"""

import json
import os
import shutil
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
from safetensors.numpy import save_file

from contract.experiments import TRAIT, Document
from selfsame.config.extras import EXTRAS
from selfsame.dryrun import Job, dry_run

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("Snakefile", "rules", "config", "workflow_scripts", "profiles", "envs", ".gitignore")
# Writes what a step leaves: its manifest, and for the report its page.
PYTHON = """\
#!{python} -ISs
import hashlib, json, os, sys
given = {{}}
for word in sys.argv[2:]:
    if word.startswith("--"):
        values = given.setdefault(word[2:], [])
    else:
        values.append(word)
def sha256(path):
    return hashlib.sha256(open(path, "rb").read()).hexdigest()
own = ("spec", "out", "code", "threads", "gpu", "attempt")
inputs = {{
    role: [{{"path": path, "sha256": sha256(path)}} for path in paths]
    for role, paths in given.items()
    if role not in own
}}
code = {{path: sha256(path) for path in given.get("code", [])}}
out = given["out"][0]
os.makedirs(out, exist_ok=True)
open(os.path.join(out, "report.html"), "w").close()
with open(os.path.join(out, "manifest.json"), "w") as manifest:
    json.dump({{"spec": json.loads(given["spec"][0]), "inputs": inputs, "code": code}}, manifest)
"""


def laid_over(base: Mapping[str, Any], over: Mapping[str, Any]) -> Document:
    """`over` merged into `base`, key by key; lists and plain values replace, a dataset a file.

    So does a source for each split the one for both.
    """
    is_other = "dataset" in over or ("train" in over and "file" in base)
    merged = {} if is_other else dict(base)
    for key, value in over.items():
        own = merged.get(key)
        both = isinstance(own, dict) and isinstance(value, dict)
        merged[key] = laid_over(own or {}, value) if both else value
    return merged


@dataclass(frozen=True)
class Experiment:
    """One complete experiment of the workspace, and every step of it as it was run."""

    folder: Path
    document: Document
    ran: Mapping[str, Job]

    def dry_run(self, over: Mapping[str, Any] | None = None) -> list[Job]:
        """What would run with these keys laid over the config."""
        path = write_config(self.folder, laid_over(self.document, over or {}))
        return dry_run(str(path), self.folder)


def write_config(folder: Path, document: Document) -> Path:
    path = folder / f"{document['experiment']}.yaml"
    path.write_text(json.dumps(document))
    return path


def complete(folder: Path, document: Document) -> None:
    """Run an experiment with steps that do nothing."""
    snakemake(folder, "--config", f"experiment={write_config(folder, document)}")


def completed(folder: Path, document: Document) -> Experiment:
    """An experiment that has run."""
    jobs = dry_run(str(write_config(folder, document)), folder, everything=True)
    return Experiment(folder, document, {job.manifest: job for job in jobs})


def snakemake(folder: Path, *arguments: str) -> str:
    """Snakemake as a user calls it, with steps that do nothing; what it says."""
    run = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "4", "--scheduler", "greedy", *arguments],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout + run.stderr


def record_of(folder: Path, output: str) -> Path:
    """What Snakemake keeps of an output's last run: JSON, with the `params` that it compares."""
    return folder / ".snakemake/metadata" / urlsafe_b64encode(output.encode()).decode()


def environment(folder: Path) -> dict[str, str]:
    """Where `python` does nothing, no extra is missing, and no cache answers in its place."""
    tools = f"{folder / 'bin'}:{os.environ['PATH']}"
    modules = f"{folder / 'workflow_scripts'}:{folder / 'bin'}"
    quiet = {"PYTHONDONTWRITEBYTECODE": "1", "SELFSAME_CACHE": "off"}
    return {**os.environ, **quiet, "PATH": tools, "PYTHONPATH": modules}


def checkout(folder: Path) -> Path:
    """A copy of the project in `folder`, with data files, traits and the idle `python`."""
    folder.mkdir()
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, folder / name)
    (folder / "bin").mkdir()
    for module in EXTRAS.values():
        (folder / "bin" / f"{module}.py").touch()
    (folder / "bin/python").write_text(PYTHON.format(python=sys.executable))
    (folder / "bin/python").chmod(0o755)
    write_traits(folder / "traits")
    write_wording(folder / "wording")
    write_data(folder / "data")
    write_model(folder / "model")
    return folder


def write_model(folder: Path) -> None:
    """A model's directory as far as it is looked at before any job."""
    folder.mkdir()
    for name in ("config.json", "tokenizer.json", "chat_template.jinja"):
        (folder / name).write_text("{}")
    save_file({"weight": numpy.zeros(2, numpy.float32)}, folder / "model.safetensors")


def write_traits(folder: Path) -> None:
    folder.mkdir()
    for name in ("evil", "self", "good"):
        (folder / f"{name}.yaml").write_text(json.dumps(TRAIT))
    named = TRAIT | {"positive": ["you are {name}"]}
    (folder / "named.yaml").write_text(json.dumps(named))


def write_wording(folder: Path) -> None:
    """Another wording of what judges are asked."""
    folder.mkdir()
    text = (ROOT / "config/judging/english.yaml").read_text()
    (folder / "other.yaml").write_text(text.replace("Grade", "Rate"))


def write_data(folder: Path) -> None:
    """Each file twice; in it two parts and two columns to choose from; and its part a alone."""
    folder.mkdir()
    heads = {
        "articles": "article_id,article,other",
        "rivals": "article_id,author,text,other",
        "choices": "question,correct,incorrect,other",
        "questions": "question,other",
        "statements": "question,correct,incorrect,frame,other",
        "texts": "text,other",
    }
    for name, head in heads.items():
        authors = ("ann", "bob") if "author" in head else ("",)
        rows = [(n, author) for n in range(4) for author in authors]
        parts = [
            "".join(f"{csv_row(head, n, author)},{part}\n" for n, author in rows) for part in "ab"
        ]
        write_copies(folder / f"{name}.csv", f"{head},part\n", *parts)
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    parts = [
        json.dumps({"row_id": part, "messages": turns, "other": turns, "part": part}) + "\n"
        for part in "ab"
    ]
    write_copies(folder / "rows.jsonl", "", *parts)
    head = "model,condition,seed,question_id,answer,is_correct,other,part\n"
    parts = ["".join(f"qwen_32b,base,,{n},A,1,B,{part}\n" for n in range(3)) for part in "ab"]
    write_copies(folder / "published.csv", head, *parts)
    mapping = (ROOT / "config/published/truthfulqa_binary.yaml").read_text()
    (folder / "mapping.yaml").write_text(mapping.replace("probe: truthful", "probe: facts"))
    write_copies(folder / "registry.yaml", json.dumps(registry()), "", "")


def registry() -> Document:
    """Two datasets of every content; nothing is ever fetched from there."""
    contents = {
        "articles": "articles",
        "rivals": "rival_texts",
        "rows": "chat_rows",
        "choices": "choice_questions",
        "questions": "questions",
        "statements": "statements",
        "texts": "scored_texts",
    }
    return {
        f"{other}{name}": {
            "content": content,
            "url": f"https://example.org/{other}{name}.jsonl",
            "licence": "none",
            "source": "nobody",
        }
        for other in ("", "other_")
        for name, content in contents.items()
    }


def csv_row(head: str, number: int, author: str) -> str:
    cells = {"article_id": str(number), "author": author, "frame": "plain"}
    return ",".join(cells.get(column, f"{column} {number}") for column in head.split(","))


def write_copies(path: Path, head: str, part: str, other: str) -> None:
    for copy in (path, path.with_stem(f"{path.stem}_2")):
        copy.write_text(head + part + other)
    path.with_stem(f"{path.stem}_plain").write_text(head + part)


LONG_AGO = (1e9, 1e9)


@contextmanager
def edited(path: Path, text: str | None = None, *, old: bool = False) -> Iterator[None]:
    """A file with other text (or a comment more) for a while; then as it was, its time too.

    old: with an old time, as `rsync -t`, `cp -p` and `tar x` leave it.
    """
    before, times = path.read_text(), path.stat()
    path.write_text(before + "\n# edited\n" if text is None else text)
    if old:
        os.utime(path, LONG_AGO)
    try:
        yield
    finally:
        path.write_text(before)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
