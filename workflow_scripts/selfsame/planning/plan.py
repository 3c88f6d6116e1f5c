"""The plan of the next run: jobs by rule, core and GPU hours, disk."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from selfsame.cache.store import Store
from selfsame.cache.tiers import settings_from_environment, stores_of
from selfsame.config import specs
from selfsame.config.load import load_config
from selfsame.config.schema import Config
from selfsame.dryrun import Job, dry_run
from selfsame.planning.estimate import Cost, Estimator
from selfsame.planning.records import (
    RESULTS,
    Record,
    is_shipped,
    kind_of_model,
    recorded,
    shipped_machine,
)
from selfsame.planning.restorable import restorable, script_of

UNKNOWN = "unknown"
HOUR, MB, GB = 3600, 1e6, 1e9


@dataclass
class Line:
    """What the jobs of one rule, or all of them, would take; `unknown` of them nobody knows."""

    rule: str
    jobs: int = 0
    cached: int = 0
    unknown: int = 0
    core_hours: float = 0.0
    gpu_hours: float = 0.0
    size_bytes: float = 0.0

    def add(self, job: Job, cost: Cost | None, is_cached: bool) -> None:
        """Count one job. One that is restored takes room but no time worth mentioning."""
        self.jobs += 1
        self.cached += is_cached
        if cost is None:
            self.unknown += 1
            return
        self.size_bytes += cost.size_bytes
        if not is_cached:
            self.core_hours += int(job.arguments["threads"][0]) * cost.seconds / HOUR
            self.gpu_hours += gpus_of(job) * (cost.device == "cuda") * cost.seconds / HOUR


@dataclass(frozen=True)
class Plan:
    """A line for each rule, one for all of them, and what to know of the figures."""

    lines: Sequence[Line]
    total: Line
    notes: Sequence[str]


def plan(experiment: str | None = None, folder: Path = Path()) -> Plan:
    """What `make run` would run now, in `folder`. Nothing is started."""
    config = load_config(experiment, folder / "config")
    jobs = dry_run(experiment, folder)
    cached = restorable(jobs, _stores(config), folder)
    records = recorded(kind_of_model(specs.base_model(config)), folder / RESULTS)
    estimator = Estimator(records)
    costs = [estimator.cost(script_of(job), job.spec, gpus_of(job) > 0) for job in jobs]
    lines = {job.rule: Line(job.rule) for job in jobs}
    total = Line("total")
    for job, cost in zip(jobs, costs, strict=True):
        for line in (lines[job.rule], total):
            line.add(job, cost, job.manifest in cached)
    notes = [_source(records), *_caveats(jobs, costs), *_room(total, folder)] if jobs else []
    return Plan(list(lines.values()), total, notes)


def gpus_of(job: Job) -> int:
    """How many GPUs a job is given where there are any."""
    return int(job.arguments["gpu"][0])


def printed(found: Plan) -> Iterator[str]:
    """The plan as lines of text."""
    if not found.lines:
        yield "nothing would run"
        return
    yield f"{'rule':24s} {'jobs':>6s} {'cached':>6s} {'core h':>9s} {'GPU h':>9s} {'disk':>10s}"
    yield from (_row(line) for line in (*found.lines, found.total))
    yield from found.notes


def _stores(config: Config) -> tuple[Store, ...]:
    """As the steps of a run would find them."""
    return stores_of(settings_from_environment(config.cache.model_dump_json()))


def _row(line: Line) -> str:
    core, gpu = (_known(line, _hours(value)) for value in (line.core_hours, line.gpu_hours))
    disk = _known(line, _size(line.size_bytes))
    return f"{line.rule:24s} {line.jobs:6,} {line.cached:6,} {core:>9s} {gpu:>9s} {disk:>10s}"


def _known(line: Line, value: str) -> str:
    if line.unknown == line.jobs:
        return UNKNOWN
    return f"> {value}" if line.unknown else value


def _hours(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3f}"


def _size(size_bytes: float) -> str:
    return f"{size_bytes / MB:,.1f} MB" if size_bytes < GB else f"{size_bytes / GB:,.1f} GB"


def _source(records: Sequence[Record]) -> str:
    if is_shipped(records):
        return (
            f"Estimated from runs on another machine ({shipped_machine()});"
            " runs of yours take their place."
        )
    return (
        f"Estimated from {len(records):,} recorded runs with this model; starting jobs not counted."
    )


def _caveats(jobs: Sequence[Job], costs: Sequence[Cost | None]) -> Iterator[str]:
    pairs = list(zip(jobs, costs, strict=True))
    if nowhere := list(dict.fromkeys(job.rule for job, cost in pairs if cost is None)):
        yield f"Unknown, as no run with this model is recorded: {', '.join(nowhere)}."
    if slow := sum(gpus_of(job) > 0 and cost.device == "cpu" for job, cost in pairs if cost):
        yield f"{slow:,} jobs that take a GPU are known from a CPU only: counted in core hours."


def _room(total: Line, folder: Path) -> Iterator[str]:
    free = shutil.disk_usage(folder).free
    if total.size_bytes > free:
        yield f"There is not enough room: {_size(free)} are free here."
