"""The real step `evaluate_behaviour` with a cache: one probe's system prompt asks that one anew."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from selfsame.codegraph import modules_of
from selfsame.data.prompts import choosing
from selfsame.digests import canonical
from selfsame.publish import digests_of
from selfsame.tables import parquet
from selfsame.tables.prompts import PROMPTS
from selfsame.tables.samples import SAMPLES
from tiny_models import make_tiny_model

SPEC = {
    **{"experiment": "e", "model": "m", "chain": "base", "seed": 0, "steering": None},
    **{"system_prompt": "none", "dtype": "float32", "device": "cpu", "trust_remote_code": False},
}
TOLD = {"text": "Say 2."}


def manifest(folder: Path) -> Path:
    path = folder / "manifest.json"
    path.unlink(missing_ok=True)
    path.write_text(json.dumps({"outputs": digests_of(folder)}))
    return path


def prompts(folder: Path, probe: str, system: Any) -> Path:
    """A probe's prompts as build_probe leaves them."""
    facts = {"probe": probe, "system_prompt": system and canonical(system)}
    asked = [
        choosing(
            item=str(n), order=0, prompt=f"1 or 2, {n}?", answers=("1", "2"), correct=0,
            cluster=str(n), group=str(n),
        )
        for n in range(3)
    ]  # fmt: skip
    (folder / probe).mkdir(exist_ok=True)
    rows = [{**facts, **row} for row in asked]
    parquet.write(folder / probe / "prompts.parquet", rows, PROMPTS)
    return manifest(folder / probe)


class Run:
    """A base model and a cache; each call asks it two probes."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.folder, self.root = folder, root
        self.base = manifest(make_tiny_model(folder / "model"))

    def ask(self, told: Any) -> tuple[dict[str, list[Any]], dict[str, Any]]:
        """Log-probabilities by probe, and the manifest."""
        files = [prompts(self.folder, name, s) for name, s in (("plain", None), ("told", told))]
        command = [sys.executable, "workflow_scripts/evaluate_behaviour.py"]
        command += ["--spec", canonical(SPEC), "--base", self.base, "--prompts", *files]
        command += ["--out", self.folder / "out", "--code", *modules_of("evaluate_behaviour")]
        given = {"SELFSAME_CACHE": str(self.folder / "cache"), "OMP_NUM_THREADS": "1"}
        subprocess.run(command, cwd=self.root, env={**os.environ, **given}, check=True)
        rows = parquet.read(self.folder / "out" / "samples.parquet", SAMPLES)
        found: dict[str, list[Any]] = {}
        for row in rows:
            found.setdefault(row["probe"], []).append(row["logprobs"])
        return found, json.loads((self.folder / "out" / "manifest.json").read_text())

    def kept(self) -> int:
        """How many entries the cache has: one a part, one a whole."""
        return len(list((self.folder / "cache" / "objects").glob("*/*")))


def test_another_system_prompt_asks_its_probe_alone(tmp_path: Path, root: Path) -> None:
    run = Run(tmp_path, root)
    before, plain = run.ask(None)
    assert run.kept() == 3
    assert before["plain"] == before["told"]
    after, told = run.ask(TOLD)
    assert run.kept() == 3 + 2
    assert after["plain"] == before["plain"]
    assert after["told"] != before["told"]
    note = f"system_prompt_sha256:{canonical(TOLD)}"
    assert note not in plain
    assert told[note] != told["system_prompt_sha256"] == plain["system_prompt_sha256"]
