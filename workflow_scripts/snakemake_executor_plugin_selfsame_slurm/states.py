"""What Slurm says about jobs, and what it means for a run. No Slurm is needed to test this."""

from dataclasses import dataclass
from enum import Enum, auto


class Fate(Enum):
    """What has become of a job, as far as one look can tell."""

    ACTIVE = auto()
    DONE = auto()
    FAILED = auto()
    STUCK = auto()


# Every state that a job does not leave, see `man squeue`. PREEMPTED is one of them: a job that
# Slurm takes up again is PENDING. A state that we do not know is not an end.
ENDS = {
    "COMPLETED": Fate.DONE,
    "BOOT_FAIL": Fate.FAILED,
    "CANCELLED": Fate.FAILED,
    "DEADLINE": Fate.FAILED,
    "FAILED": Fate.FAILED,
    "LAUNCH_FAILED": Fate.FAILED,
    "NODE_FAIL": Fate.FAILED,
    "OUT_OF_MEMORY": Fate.FAILED,
    "PREEMPTED": Fate.FAILED,
    "RECONFIG_FAIL": Fate.FAILED,
    "REVOKED": Fate.FAILED,
    "TIMEOUT": Fate.FAILED,
}
# A node could not start it, and Slurm has put it back for good, till somebody releases it.
STUCK_REASON = "launch failed requeued held"

# Why jobs wait that start by themselves in the end.
COMMON_REASONS = {"", "None", "Resources", "Priority", "BeginTime", "Prolog", "Cleaning"}


@dataclass(frozen=True)
class State:
    """A job's state in Slurm's words, and why it waits if Slurm said that."""

    name: str
    reason: str = ""

    def __str__(self) -> str:
        """As a message shows it."""
        return self.name if self.reason in ("", "None") else f"{self.name} ({self.reason})"

    @property
    def waits_long(self) -> bool:
        """Whether it waits for something that may never come, such as a time limit to be raised."""
        return self.name == "PENDING" and self.reason not in COMMON_REASONS

    @property
    def fate(self) -> Fate:
        """What the state means."""
        if self.name == "PENDING" and self.reason.replace("_", " ").lower() == STUCK_REASON:
            return Fate.STUCK
        return ENDS.get(self.name, Fate.ACTIVE)


def parse(text: str) -> dict[str, State]:
    """The states by job id, from lines `id|state` (sacct) or `id|state|reason` (squeue).

    Of a state such as `CANCELLED by 1000` only the first word is the state.
    """
    states = {}
    for line in text.splitlines():
        job, _, rest = line.strip().partition("|")
        name, _, reason = rest.partition("|")
        if job and name.strip():
            states[job] = State(name.split()[0], reason.strip())
    return states


def in_doubt(states: dict[str, State], jobs: set[str], asked: str) -> bool:
    """Whether the other command has to be asked too.

    squeue forgets what ended long ago. sacct keeps the end of a job that Slurm has taken up again
    (its node failed, it was preempted) until that job starts anew.
    """
    if asked == "squeue":
        return not jobs <= states.keys()
    return any(states[job].fate is Fate.FAILED for job in jobs & states.keys())
