"""Watching the jobs of a run: what 2.8.0 of the Slurm plugin gets wrong, and what is done instead.

* All queries of one round fail (slurmctld restarts): the plugin forgets its jobs and waits for
  ever. Here a round without an answer changes nothing, and after `give_up_after` the run ends.
* sacct's `CANCELLED by 1000` is no end to the plugin: it waits for ever. Here it is.
* PREEMPTED is never an end to it: with PreemptMode=CANCEL it waits for ever. Here it is one, unless
  slurmctld says that the job is pending or running again.
* sacct's NODE_FAIL of a job that Slurm has requeued makes it submit the job a second time and
  exclude the node "None assigned", with which no later sbatch works. Here slurmctld's word counts,
  and no node is excluded: Slurm gives no job to a node that is down.
* A job that Slurm does not know any more is waited for for ever. Here it has failed.
"""

import time
from collections.abc import Iterable
from contextlib import suppress

from snakemake_interface_common.exceptions import WorkflowError

from snakemake_executor_plugin_selfsame_slurm import commands
from snakemake_executor_plugin_selfsame_slurm.settings import ExecutorSettings
from snakemake_executor_plugin_selfsame_slurm.states import Fate, State, in_doubt

GONE = State("UNKNOWN TO SLURM")


class Watch:
    """The states of one run's jobs, through times in which Slurm does not answer."""

    def __init__(self, name: str, settings: ExecutorSettings, accounting: bool) -> None:
        """Watch the jobs of this name."""
        self._name = name
        self._settings = settings
        self._accounting = accounting
        self._silent_since: float | None = None
        self._missing_since: dict[str, float] = {}

    @property
    def silence(self) -> float:
        """Seconds since Slurm's last answer, if the latest question had none."""
        return 0.0 if self._silent_since is None else time.monotonic() - self._silent_since

    def look(self, jobs: Iterable[str]) -> dict[str, tuple[Fate, State]]:
        """What has become of jobs. Raises NoAnswerError, and WorkflowError in the end."""
        wanted = set(jobs)
        try:
            states = self._ask(wanted)
        except commands.NoAnswerError as error:
            self._endure(error, len(wanted))
            raise
        self._silent_since = None
        return {job: self._fate(job, states.get(job)) for job in wanted}

    def _ask(self, jobs: set[str]) -> dict[str, State]:
        command = self._settings.status_command or "squeue"
        states = commands.states(self._name, command)
        if not in_doubt(states, jobs, command):
            return states
        if command == "sacct":
            return states | commands.states(self._name, "squeue")
        return self._accounts() | states

    def _accounts(self) -> dict[str, State]:
        """What the accounts say, where there are any and they answer."""
        if self._accounting:
            with suppress(commands.NoAnswerError):
                return commands.states(self._name, "sacct")
        return {}

    def _endure(self, error: commands.NoAnswerError, jobs: int) -> None:
        if self._silent_since is None:
            self._silent_since = time.monotonic()
        self._missing_since.clear()
        if self.silence > self._settings.give_up_after:
            raise WorkflowError(
                f"Slurm has not answered for {self.silence:.0f} s ({error}): the run ends here. "
                f"{jobs} of its jobs may still be running. When Slurm is back, call the workflow "
                "again: it cancels them and goes on from what is finished."
            )

    def _fate(self, job: str, state: State | None) -> tuple[Fate, State]:
        if state is not None:
            self._missing_since.pop(job, None)
            return state.fate, state
        since = self._missing_since.setdefault(job, time.monotonic())
        lost = time.monotonic() - since > self._settings.forget_after
        return (Fate.FAILED if lost else Fate.ACTIVE), GONE
