"""What a step would take: the median of the recorded runs that are most like it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from selfsame.digests import canonical
from selfsame.planning.records import Record

# What differs between the runs of one design, and costs nothing.
COSTLESS = frozenset({"seed", "experiment"})


@dataclass(frozen=True)
class Cost:
    """Seconds of one job, the device they are for, and the bytes it writes.

    measured: by recorded runs; else estimated from the model's size (`planning.from_size`).
    """

    seconds: float
    device: str
    size_bytes: float
    measured: bool = True


class Estimator:
    """Estimates from records of one model."""

    def __init__(self, records: Iterable[Record]) -> None:
        """Sort the records by step, then by what the spec says apart from the seed."""
        self._designs: dict[str, dict[str, list[Record]]] = defaultdict(lambda: defaultdict(list))
        for record in records:
            self._designs[record.step][_design(record.spec)].append(record)
        self._known: dict[tuple[str, str, bool], Cost | None] = {}

    def cost(self, step: str, spec: Mapping[str, Any], on_gpu: bool) -> Cost | None:
        """The median of the runs whose spec differs in the fewest values; None without any.

        Runs on the same kind of device come first, as no other difference counts as much.
        """
        key = (step, _design(spec), on_gpu)
        if key not in self._known:
            runs = [run for runs in self._designs[step].values() for run in runs]
            like = [run for run in runs if (run.device == "cuda") == on_gpu] or runs
            self._known[key] = _median(_nearest(spec, like)) if like else None
        return self._known[key]


def _design(spec: Mapping[str, Any]) -> str:
    return canonical({key: value for key, value in spec.items() if key not in COSTLESS})


def _nearest(spec: Mapping[str, Any], runs: Sequence[Record]) -> list[Record]:
    wanted = _values(spec)
    by_design = defaultdict(list)
    for run in runs:
        by_design[_design(run.spec)].append(run)
    distances = {
        design: len(wanted ^ _values(alike[0].spec)) for design, alike in by_design.items()
    }
    nearest = min(distances.values())
    return [run for name, found in by_design.items() if distances[name] == nearest for run in found]


def _values(spec: Any, path: str = "") -> set[tuple[str, str]]:
    """Every value of a spec with the keys that lead to it."""
    if isinstance(spec, Mapping):
        inner = (_values(v, f"{path}.{k}") for k, v in spec.items() if k not in COSTLESS)
        return set().union(*inner)
    return {(path, canonical(spec))}


def _median(runs: Sequence[Record]) -> Cost:
    return Cost(
        seconds=median(run.seconds for run in runs),
        device=runs[0].device,
        size_bytes=median(run.size_bytes for run in runs),
    )
