"""The plan of the next run: jobs by rule, core and GPU hours, disk."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from selfsame.cache.store import Store
from selfsame.cache.tiers import settings_from_environment, stores_of
from selfsame.config import specs
from selfsame.config.load import load_config
from selfsame.config.resources import size_of
from selfsame.config.schema import Config
from selfsame.dryrun import Job, dry_run
from selfsame.models.settings import HfModelSettings
from selfsame.planning.estimate import Cost, Estimator
from selfsame.planning.from_size import SizeEstimator
from selfsame.planning.records import (
    RESULTS,
    Record,
    is_shipped,
    kind_of_model,
    recorded,
    shipped_machine,
)
from selfsame.planning.restorable import restorable, script_of

UNKNOWN, ROUGHLY = "unknown", "~"
HOUR, MB, GB = 3600, 1e6, 1e9


@dataclass
class Line:
    """What the jobs of one rule, or all of them, would take; `unknown` of them nobody knows.

    Those `on_gpu` are the unknown ones that take a GPU. `sized` ones are estimated from the model's
    size, and `sized_gpu_hours` and `sized_bytes` are their share of the figures.
    """

    rule: str
    jobs: int = 0
    cached: int = 0
    unknown: int = 0
    on_gpu: int = 0
    sized: int = 0
    sized_gpu_hours: float = 0.0
    sized_bytes: float = 0.0
    core_hours: float = 0.0
    gpu_hours: float = 0.0
    size_bytes: float = 0.0

    def add(self, job: Job, cost: Cost | None, is_cached: bool) -> None:
        """Count one job. One that is restored takes room but no time worth mentioning."""
        self.jobs += 1
        self.cached += is_cached
        if cost is None:
            self.unknown += 1
            self.on_gpu += gpus_of(job) > 0
            return
        hours = 0.0 if is_cached else cost.seconds / HOUR
        gpu_hours = gpus_of(job) * (cost.device == "cuda") * hours
        self.size_bytes += cost.size_bytes
        self.core_hours += int(job.arguments["threads"][0]) * hours
        self.gpu_hours += gpu_hours
        if not cost.measured:
            self.sized += 1
            self.sized_gpu_hours += gpu_hours
            self.sized_bytes += cost.size_bytes


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
    sizes = SizeEstimator(config)
    costs = [
        estimator.cost(script_of(job), job.spec, gpus_of(job) > 0) or sizes.cost(job, gpus_of(job))
        for job in jobs
    ]
    lines = {job.rule: Line(job.rule) for job in jobs}
    total = Line("total")
    for job, cost in zip(jobs, costs, strict=True):
        for line in (lines[job.rule], total):
            line.add(job, cost, job.manifest in cached)
    notes = [*_source(records), *_from_size(total, config), *_caveats(jobs, costs)] if jobs else []
    notes += _room(total, folder)
    return Plan(list(lines.values()), total, notes)


def gpus_of(job: Job) -> int:
    """How many GPUs a job is given where there are any."""
    return int(job.arguments["gpu"][0])


def printed(found: Plan) -> Iterator[str]:
    """The plan as lines of text."""
    if not found.lines:
        yield "nothing would run"
        return
    yield f"{'rule':24s} {'jobs':>6s} {'cached':>6s} {'core h':>10s} {'GPU h':>10s} {'disk':>12s}"
    yield from (_row(line) for line in (*found.lines, found.total))
    yield from found.notes


def _stores(config: Config) -> tuple[Store, ...]:
    """As the steps of a run would find them."""
    return stores_of(settings_from_environment(config.cache.model_dump_json()))


def _row(line: Line) -> str:
    hours, size = (_rough_hours, _rough_size) if line.sized else (_hours, _size)
    core = _known(line, hours(line.core_hours), line.unknown)
    gpu = _known(line, hours(line.gpu_hours), line.on_gpu)
    disk = _known(line, size(line.size_bytes), line.unknown)
    return f"{line.rule:24s} {line.jobs:6,} {line.cached:6,} {core:>10s} {gpu:>10s} {disk:>12s}"


def _known(line: Line, value: str, unknown: int) -> str:
    """A figure, with > where it leaves unknown jobs out."""
    if unknown == line.jobs:
        return UNKNOWN
    return f"> {value}" if unknown else value


def _hours(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3f}"


def _size(size_bytes: float) -> str:
    return f"{size_bytes / MB:,.1f} MB" if size_bytes < GB else f"{size_bytes / GB:,.1f} GB"


def _rough_hours(value: float) -> str:
    """Hours of which some are estimated from size."""
    return f"{ROUGHLY}{_two_digits(value)}"


def _rough_size(size_bytes: float) -> str:
    """Bytes of which some are estimated from size."""
    unit, name = (GB, "GB") if size_bytes >= GB else (MB, "MB")
    return f"{ROUGHLY}{_two_digits(size_bytes / unit)} {name}"


def _two_digits(value: float) -> str:
    return f"{float(f'{value:.2g}'):,g}"


def _source(records: Sequence[Record]) -> Iterator[str]:
    if is_shipped(records):
        yield (
            f"Estimated from runs on another machine ({shipped_machine()});"
            " runs of yours take their place."
        )
    elif records:
        count = f"{len(records):,} recorded runs with this model"
        yield f"Estimated from {count}; starting jobs not counted."


def _from_size(total: Line, config: Config) -> Iterator[str]:
    """What of the figures was never measured, and what it goes by."""
    if not total.sized:
        return
    device = config.planning.device
    yield (
        f"{ROUGHLY} is estimated from size, not measured: {total.sized:,} jobs,"
        f" {_rough_hours(total.sized_gpu_hours)} GPU h, {_rough_size(total.sized_bytes)}. By"
        f" formula (docs/performance.md), on GPUs of {device.tflops:g} TFLOP/s,"
        f" {device.bandwidth_gb_s:g} GB/s and {device.memory_gb:g} GB of which"
        f" {device.utilisation:.0%} of the speed is reached (planning.device); every answer as long"
        " as is allowed, starting jobs not counted."
    )
    if weights := dict(_weights(config)):
        named = ", ".join(f"{name} {_size(size)}" for name, size in weights.items())
        yield f"Weights to fetch are beside that: {named}."


def _weights(config: Config) -> Iterator[tuple[str, float]]:
    """Models that come from the hub, and the bytes of their files."""
    for model in (config.model, *config.judges.values()):
        if isinstance(model, HfModelSettings) and model.hub_id:
            size = size_of(model)
            yield model.hub_id, size.parameters * size.stored_bytes


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
