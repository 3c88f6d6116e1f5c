"""Recorded runs of steps: how long each took, and how much it wrote.

They are the manifests that lie in results/. Only runs of the same model count: an experiment's is
told by its step base_model, and organisms of one architecture cost the same. Until there are any, a
table of medians stands in that was recorded on another machine (`python workflow_scripts/plan.py
--record EXPERIMENT` writes it anew).
"""

import json
import os
import platform
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from selfsame.digests import MANIFEST, read_manifest

SHIPPED = Path(__file__).with_name("recorded.json")
RESULTS = Path("results")


@dataclass(frozen=True)
class Record:
    """One run of a step; device is `cpu` or `cuda`."""

    step: str
    spec: Mapping[str, Any]
    device: str
    seconds: float
    size_bytes: int


def kind_of_model(base_model: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the cost of a model's steps goes by, of the spec of base_model."""
    organism = base_model.get("organism")
    return base_model if organism is None else {"organism": organism["architecture"]}


def recorded(model: Mapping[str, Any], results: Path = RESULTS) -> list[Record]:
    """All runs of this model in the results of any experiment; those shipped where there are none.

    model: as `kind_of_model` gives it.
    """
    folders = (path.parent.parent for path in results.glob(f"*/base_model/{MANIFEST}"))
    found = [record for folder in folders for record in _of_experiment(folder, model)]
    return found or [record for record in shipped() if model == _shipped()["model"]]


def shipped() -> list[Record]:
    """The medians that come with the workflow."""
    return [Record(**record, spec={}) for record in _shipped()["records"]]


def shipped_machine() -> str:
    """The machine that they were recorded on."""
    return str(_shipped()["machine"])


def is_shipped(records: Sequence[Record]) -> bool:
    """Whether these are the records that came with the workflow, of another machine."""
    return bool(records) and not any(record.spec for record in records)


def write_shipped(experiment: str, results: Path = RESULTS) -> None:
    """Write the medians of one experiment's runs as those that come with the workflow."""
    base = read_manifest(results / experiment / "base_model" / MANIFEST)
    model = kind_of_model(base["spec"])
    groups = defaultdict(list)
    for record in _of_experiment(results / experiment, model):
        groups[record.step, record.device].append(record)
    machine = f"{os.cpu_count()} cores, {platform.machine()}"
    records = [_medians(step, device, runs) for (step, device), runs in sorted(groups.items())]
    written = {"machine": machine, "model": model, "records": records}
    SHIPPED.write_text(json.dumps(written, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _shipped() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(SHIPPED.read_text(encoding="utf-8"))
    return table


def _of_experiment(folder: Path, model: Mapping[str, Any]) -> Iterator[Record]:
    base = read_manifest(folder / "base_model" / MANIFEST)
    if kind_of_model(base["spec"]) == model:
        for path in sorted(folder.rglob(MANIFEST)):
            with suppress(FileNotFoundError):  # a run may be going on, and make a step anew
                yield _read(path)


def _read(path: Path) -> Record:
    manifest = read_manifest(path)
    files = [path, *(path.parent / name for name in manifest["outputs"])]
    return Record(
        step=manifest["step"],
        spec=manifest["spec"],
        device=str(manifest["device"]).partition(":")[0],
        seconds=manifest["seconds"],
        size_bytes=sum(file.stat().st_size for file in files if file.is_file()),
    )


def _medians(step: str, device: str, runs: Sequence[Record]) -> dict[str, Any]:
    seconds = round(median(run.seconds for run in runs), 2)
    size = round(median(run.size_bytes for run in runs))
    return {"step": step, "device": device, "seconds": seconds, "size_bytes": size}
