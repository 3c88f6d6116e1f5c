"""`snakemake --logger selfsame`: one line per finished step, with what it found and what is left.

Snakemake finds the plugin by its name once the project is installed (`make run` does that).
What a step found is the `found` of its manifest, so the line is the same wherever the step ran.
"""

import json
import logging
import re
import sys
from pathlib import Path
from typing import Any

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

TAIL_LINES = 12
# What Snakemake says of a failed step is its whole command; what the step said is shown anyway.
_COMMAND = re.compile(r"RuleException:\s+CalledProcessError in file ")


class LogHandler(LogHandlerBase):
    """Prints finished and failed steps, warnings and errors; is silent about the rest."""

    def __post_init__(self) -> None:
        """Start with no job known."""
        self.jobs: dict[int, dict[str, Any]] = {}
        self.finished: list[int] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Handle one log record by its event."""
        known = {
            LogEvent.JOB_INFO: self._started,
            LogEvent.JOB_FINISHED: self._finished,
            LogEvent.PROGRESS: self._progress,
            LogEvent.JOB_ERROR: self._failed,
        }
        handle = known.get(getattr(record, "event", None), self._message)
        handle(record)

    def _started(self, record: logging.LogRecord) -> None:
        fields = ("rule_name", "wildcards", "output", "log")
        self.jobs[record.jobid] = {name: getattr(record, name) for name in fields}

    def _finished(self, record: logging.LogRecord) -> None:
        self.finished.append(record.job_id)

    def _progress(self, record: logging.LogRecord) -> None:
        for job in self.finished:
            self._print(f"{_count(record.done, record.total)} {_line(self.jobs.get(job))}")
        self.finished.clear()

    def _failed(self, record: logging.LogRecord) -> None:
        job = self.jobs.get(record.jobid, {"rule_name": record.rule_name, "wildcards": {}})
        self._print(f"FAILED  {_title(job)}")
        for name in record.log:
            path = Path(name)
            lines = path.read_text(errors="replace").splitlines() if path.is_file() else []
            self._print("\n".join(f"        {line}" for line in lines[-TAIL_LINES:]))

    def _message(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.levelno >= logging.WARNING and text != "None" and not _COMMAND.match(text):
            self._print(text)

    def _print(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    @property
    def writes_to_stream(self) -> bool:
        """It writes to the terminal."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """It writes no file."""
        return False

    @property
    def has_filter(self) -> bool:
        """It chooses by event itself."""
        return True

    @property
    def has_formatter(self) -> bool:
        """It formats by itself."""
        return True

    @property
    def needs_rulegraph(self) -> bool:
        """It shows no graph."""
        return False


def _count(done: int, total: int) -> str:
    return f"[{done:>{len(str(total))}}/{total}, {total - done} left]"


def _line(job: dict[str, Any] | None) -> str:
    if job is None:
        return "a step"
    manifest = next((Path(p) for p in job["output"] if p.endswith("manifest.json")), None)
    if manifest is None or not manifest.is_file():
        return _title(job)
    facts = json.loads(manifest.read_text(encoding="utf-8"))
    took = "cached" if _restored(job) else f"{facts['seconds']:.1f} s"
    return f"{_title(job)}: {facts['found']} ({took})"


def _restored(job: dict[str, Any]) -> bool:
    """Whether the step's log says that its result came from the cache."""
    from selfsame.step import RESTORED

    logs = (Path(name) for name in job["log"])
    return any(
        log.is_file() and log.read_text(errors="replace").endswith(f"{RESTORED}\n") for log in logs
    )


def _title(job: dict[str, Any]) -> str:
    wildcards = dict(job["wildcards"])
    seed = wildcards.pop("seed", None)
    parts = [*wildcards.values(), *([f"seed {seed}"] if seed is not None else [])]
    return f"{job['rule_name']:<20} {' '.join(parts)}".rstrip()
