"""Slurm's commands: what is asked of them, and what it means when they do not answer."""

import re
import shlex
import subprocess
from collections.abc import Iterable, Sequence

from snakemake_executor_plugin_slurm.job_status_query import query_job_status_sacct
from snakemake_interface_common.exceptions import WorkflowError

from snakemake_executor_plugin_selfsame_slurm.states import State, parse

TIMEOUT_S = 60
# What sbatch says when it could not reach the controller, or reached it and got no answer: in the
# second case the job may be there or not.
NO_ANSWER = re.compile(
    "unable to contact slurm controller|connection refused|timed out|zero bytes were transmitted",
    re.IGNORECASE,
)
ALIVE = "PENDING,CONFIGURING,RUNNING,SUSPENDED,STOPPED,COMPLETING"


class NoAnswerError(WorkflowError):
    """Slurm did not answer; the text is the last line that its command said."""


def ask(*command: str) -> str:
    """What a command of Slurm's prints. Raises NoAnswerError if it fails or hangs."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except FileNotFoundError:
        raise NoAnswerError(f"there is no command {command[0]} here") from None
    except subprocess.TimeoutExpired:
        raise NoAnswerError(f"{command[0]} did not come back in {TIMEOUT_S} s") from None
    if done.returncode:
        lines = done.stderr.splitlines() or [f"{' '.join(command[:2])} failed"]
        raise NoAnswerError(lines[-1])
    return done.stdout


def states(name: str, command: str) -> dict[str, State]:
    """The states of all jobs of this name, by the command squeue or sacct.

    The accounts go on answering when the controller is gone, so sacct alone would be waited for.
    """
    if command == "sacct":
        ask("scontrol", "ping")
    return parse(ask(*(_sacct(name) if command == "sacct" else _squeue(name, "%i|%T|%r"))))


def by_comment(name: str, comment: str) -> list[str]:
    """Ids of the jobs of this name and comment."""
    lines = ask(*_squeue(name, "%i|%k")).splitlines()
    return [job for job, _, text in (line.partition("|") for line in lines) if text == comment]


def own_jobs() -> list[list[str]]:
    """Id, name and working directory of each of the user's jobs that has not ended."""
    lines = ask("squeue", "--me", "--noheader", f"--states={ALIVE}", "--format=%i|%j|%Z")
    return [fields for line in lines.splitlines() if len(fields := line.split("|", 2)) == 3]


def cancel(jobs: Iterable[str]) -> None:
    """Cancel jobs."""
    ask("scancel", *jobs)


def cancel_run(name: str) -> None:
    """Cancel all jobs of this name."""
    ask("scancel", f"--name={name}")


def configuration() -> dict[str, str]:
    """Slurm's settings by name."""
    pairs = (line.partition("=") for line in ask("scontrol", "show", "config").splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _squeue(name: str, fields: str) -> Sequence[str]:
    options = ("--array", "--noheader", "--states=all", f"--name={name}", f"--format={fields}")
    return ("squeue", *options)


def _sacct(name: str) -> Sequence[str]:
    return shlex.split(query_job_status_sacct(name))
