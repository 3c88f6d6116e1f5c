"""What Snakemake would run, and by what reason, from a dry run in this process. Nothing is started.

    for job in dry_run("negative_control"):
        print(job.title, job.reason)

Snakemake's own log events are read, not its text or its internals. The first dry run of a process
takes about a second, another one some tenths for a hundred jobs.
"""

import gc
import json
import logging
import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product, takewhile
from pathlib import Path
from typing import Any

from snakemake.api import SnakemakeApi
from snakemake.logging import logger
from snakemake.settings.types import (
    ConfigSettings,
    DAGSettings,
    ExecutionSettings,
    OutputSettings,
    ResourceSettings,
)
from snakemake_interface_logger_plugins.common import LogEvent

from selfsame.digests import MANIFEST

Arguments = dict[str, list[str]]

PART = re.compile(r"[\w+:.-]*|\{[\w+:.,-]+\}", re.ASCII)  # of a path in braces, or of a plain one


@dataclass(frozen=True)
class Job:
    """A step that would run: its rule, files and command, and Snakemake's reason."""

    rule: str
    wildcards: Mapping[str, str]
    inputs: Sequence[str]
    outputs: Sequence[str]
    reason: str
    command: str
    arguments: Arguments = field(repr=False)

    @property
    def manifest(self) -> str:
        """What other steps depend on, and where the last run left its record."""
        return next(path for path in self.outputs if path.endswith(MANIFEST))

    @property
    def spec(self) -> dict[str, Any]:
        """The rule's spec as it is now."""
        spec: dict[str, Any] = json.loads(self.arguments["spec"][0])
        return spec

    @property
    def title(self) -> str:
        """The rule, and which of its jobs."""
        parts = [value for name, value in self.wildcards.items() if name != "seed"]
        seed = [f"seed {self.wildcards['seed']}"] if "seed" in self.wildcards else []
        return " ".join([self.rule, *parts, *seed])


def dry_run(
    experiment: str | None = None, folder: Path = Path(), *, everything: bool = False
) -> list[Job]:
    """The steps that `snakemake --config experiment=...` would run in `folder`, in a valid order.

    everything: all steps, those that are up to date as well. Leaves by SystemExit with the mistakes
    where the config has some.
    """
    given = {"experiment": experiment} if experiment else {}
    with _unchanged(), SnakemakeApi(OutputSettings(dryrun=True)) as api, _listening() as heard:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(config=given),
            snakefile=folder / "Snakefile",
            workdir=folder,
        )
        # As profiles/default asks: what was cut off is done again, not an error.
        dag = workflow.dag(DAGSettings(force_incomplete=True, forceall=everything))
        dag.execute_workflow("dryrun", execution_settings=ExecutionSettings(lock=False))
    return [_job(record) for record in heard.records if record.shellcmd]


class _Listener(logging.Handler):
    """Keeps the records of jobs; prints warnings and errors."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[Any] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep or print one record."""
        if getattr(record, "event", None) == LogEvent.JOB_INFO:
            self.records.append(record)
        elif record.levelno >= logging.WARNING:
            print(record.getMessage(), file=sys.stderr)


@contextmanager
def _listening() -> Iterator[_Listener]:
    """In place of the handlers that Snakemake has set up for the terminal."""
    listener = _Listener()
    logger.handlers[:] = [listener]
    try:
        yield listener
    finally:
        logger.removeHandler(listener)


@contextmanager
def _unchanged() -> Iterator[None]:
    """The Snakefile sets variables and a path for its jobs; here none is run.

    While a graph grows there is no garbage to collect, only to be looked through.
    """
    environment, path = dict(os.environ), list(sys.path)
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        os.environ.clear()
        os.environ.update(environment)
        sys.path[:] = path


def _job(record: Any) -> Job:
    return Job(
        rule=record.rule_name,
        wildcards=dict(record.wildcards),
        inputs=tuple(record.input),
        outputs=tuple(record.output),
        reason=record.reason,
        command=record.shellcmd,
        arguments=parsed(record.shellcmd),
    )


def parsed(command: str) -> Arguments:
    """The arguments of a step's command by name, up to where its log begins."""
    arguments: Arguments = {}
    for word in takewhile(">".__ne__, shlex.split(command)):
        if word.startswith("--"):
            values = arguments.setdefault(word[2:], [])
        elif arguments:
            values += _expanded(word)
    return arguments


def _expanded(word: str) -> list[str]:
    """The paths that bash makes of a word of `braces.in_braces`; any other word as it is."""
    parts = word.split("/")
    if not all(PART.fullmatch(part) for part in parts):
        return [word]
    return ["/".join(path) for path in product(*(part.strip("{}").split(",") for part in parts))]
