"""Jobs that a run left in Slurm when it was killed: they would write what this run writes.

The name of a run's jobs tells which process on which machine watches them. Where that process is
gone, nobody does.
"""

import os
import re
import socket
from pathlib import Path

import psutil

from snakemake_executor_plugin_selfsame_slurm import commands

NAME = re.compile(
    r".+_(?P<host>[A-Za-z0-9-]+)_(?P<pid>\d+)_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
)


def prefix(given: str | None) -> str:
    """What this process's jobs' names begin with."""
    return f"{(given or 'selfsame')[:20]}_{_host()}_{os.getpid()}"


def find(folder: str) -> tuple[list[str], list[str]]:
    """Ids of jobs of other runs in this folder: those that nobody watches, and those elsewhere."""
    orphans, elsewhere = [], []
    for job, name, place in commands.own_jobs():
        run = NAME.fullmatch(name)
        if run is None or Path(place).resolve() != Path(folder).resolve():
            continue
        if run["host"] != _host():
            elsewhere.append(job)
        elif not _alive(int(run["pid"])):
            orphans.append(job)
    return orphans, elsewhere


def _host() -> str:
    return re.sub("[^A-Za-z0-9]+", "-", socket.gethostname().split(".")[0])[:18]


def _alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
