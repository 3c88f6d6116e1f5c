"""What a GPU job would take, from the model's size alone: for steps of which no run is recorded.

Sizes come from the config or the model's files (`selfsame.config.resources`), the work of a step
from `work`, the speed from `speed`. An estimate says that it is one (`Cost.measured`).
"""

from collections.abc import Mapping

from selfsame.config.planning import DeviceSettings
from selfsame.config.resources import size_of
from selfsame.config.schema import Config
from selfsame.dryrun import Job
from selfsame.judging.settings import LocalJudge
from selfsame.models.footprint import BFLOAT16, FLOAT32, NF4, Shape
from selfsame.models.settings import HfModelSettings
from selfsame.planning.estimate import Cost
from selfsame.planning.speed import (
    Sized,
    loading_seconds,
    reading_seconds,
    training_seconds,
    writing_seconds,
)
from selfsame.planning.work import FINETUNES, Work, work_of


class SizeEstimator:
    """Estimates for an experiment's jobs, each kind of job worked out once."""

    def __init__(self, config: Config) -> None:
        """Nothing is worked out before it is asked for."""
        self._config = config
        self._work: dict[tuple[str, ...], Work | None] = {}

    def cost(self, job: Job, gpus: int) -> Cost | None:
        """Seconds and bytes of a job; None for one without a GPU, or whose work nobody knows."""
        settings = self._model(job.wildcards)
        if not gpus or settings is None:
            return None
        model = sized(settings)
        work = self._work_of(job, model.shape)
        if work is None:
            return None
        seconds = seconds_of(work, model, self._config.planning.device, gpus)
        return Cost(seconds, "cuda", work.kept_bytes, measured=False)

    def _model(self, named: Mapping[str, str]) -> HfModelSettings | None:
        """The model that a job loads: the judge's, or the one under study."""
        judge = self._config.judges.get(named.get("judge", ""))
        model = self._config.model if judge is None else judge
        return model if isinstance(model, HfModelSettings | LocalJudge) else None

    def _work_of(self, job: Job, shape: Shape) -> Work | None:
        named = job.wildcards
        own = named.get("chain", "") if job.rule in FINETUNES else ""
        key = (job.rule, named.get("judge", ""), named.get("trait", ""), own)
        if key not in self._work:
            self._work[key] = work_of(self._config, job.rule, named, shape)
        return self._work[key]


def sized(settings: HfModelSettings) -> Sized:
    """A model's size, and the shape that a transformer of that size usually has."""
    size = size_of(settings)
    number = FLOAT32 if settings.dtype == "float32" else BFLOAT16
    loaded = NF4 if settings.quantization == "4bit" else number
    return Sized(size.parameters, size.shape, loaded, size.stored_bytes)


def seconds_of(work: Work, model: Sized, device: DeviceSettings, gpus: int) -> float:
    """The work's seconds on one job's GPUs, the weights' loading among them."""
    writing = sum(writing_seconds(model, part, device, gpus) for part in work.written)
    trained = training_seconds(model, work.trained, device, checkpointing=work.checkpointing)
    read = reading_seconds(model, work.read, device)
    return loading_seconds(model, device) + read + writing + trained
