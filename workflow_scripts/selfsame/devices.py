"""Which GPUs a job uses: two jobs on one machine never share a device, unless they are told to.

A step that asks for GPUs calls `claim` before torch is imported. It takes free ones of the
devices that this process may see, by locks (flock) on files of the user's in the temporary
folder, and waits where too many are taken. The kernel frees a lock when the last process that
holds it ends, however it ends; nothing is left to clear away.

CUDA_VISIBLE_DEVICES says what may be claimed; without it, every NVIDIA device of the machine. Name
devices the same way in all runs (as numbers, or as UUIDs): the name is what is locked.
SELFSAME_JOBS_PER_GPU=2 lets two jobs share each device. In a Slurm job the scheduler has chosen:
what it shows is taken as it is, and claims count within that job alone.
"""

import fcntl
import os
import platform
import random
import re
import shutil
import subprocess
import tempfile
import time
from itertools import takewhile
from pathlib import Path

from selfsame.errors import TryAgain, UserError

VISIBLE = "CUDA_VISIBLE_DEVICES"
JOBS_PER_GPU = "SELFSAME_JOBS_PER_GPU"
# Names the devices that a job holds, for the job's own process and for the warm child it asks.
CLAIMED = "SELFSAME_GPU"
SLURM_JOB = "SLURM_JOB_ID"
DEVICE_FILES = ("nvidia[0-9]*", "kfd", "dxg")
DRIVER = Path("/proc/driver/nvidia/gpus")
NAME = re.compile(r"\d+|(GPU|MIG)-.+")
PAUSE_S = 0.5

# Descriptors of the locks that this process holds: open until it ends.
held: list[int] = []


def claim(wanted: int) -> None:
    """Take free devices and show this process nothing else; wait where too many are taken.

    wanted: the rule's `gpu`; 0 asks for none. Where the machine has no GPU nothing happens.
    Raises TryAgain where Slurm promised GPUs and this node shows none, UserError where there are
    fewer than are asked for.
    """
    if wanted < 1 or CLAIMED in os.environ:
        return
    names = visible()
    if len(names) >= wanted:
        os.environ[VISIBLE] = os.environ[CLAIMED] = ",".join(_wait_for(wanted, names))
    elif names:
        raise UserError(
            f"resources: {wanted} GPUs are asked for, there are {len(names)}"
            f" ({', '.join(names)}); lower resources.<rule>.gpu"
        )
    elif SLURM_JOB in os.environ:
        raise no_gpu("the node shows none")


def visible() -> list[str]:
    """The devices this process may use, by the names that CUDA_VISIBLE_DEVICES takes."""
    chosen = os.environ.get(VISIBLE)
    if chosen is not None:
        # As CUDA reads it: the list ends at the first name that cannot be one, such as -1.
        names = (name.strip() for name in chosen.split(","))
        return list(takewhile(NAME.fullmatch, names))
    if DRIVER.is_dir():
        return [str(number) for number, _ in enumerate(DRIVER.iterdir())]
    return _known_to_driver()


def _known_to_driver() -> list[str]:
    """What nvidia-smi lists, where the driver shows nothing under /proc (Windows' Linux)."""
    if shutil.which("nvidia-smi") is None:
        return []
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    return listed.stdout.split() if listed.returncode == 0 else []


def has_device_file() -> bool:
    """Whether this node has a GPU of NVIDIA's or AMD's at all."""
    return any(any(Path("/dev").glob(name)) for name in DEVICE_FILES)


def jobs_per_gpu() -> int:
    """How many jobs may share a device."""
    text = os.environ.get(JOBS_PER_GPU, "1")
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"{JOBS_PER_GPU}={text}: must be 1 or more jobs")
    return int(text)


def places() -> int:
    """How many jobs with a GPU may run here at once."""
    return len(visible()) * jobs_per_gpu()


def promised() -> bool:
    """Whether Slurm gave this job a GPU: one that does not work is the node's fault."""
    return CLAIMED in os.environ and SLURM_JOB in os.environ


def no_gpu(why: str) -> TryAgain:
    """What to raise where a promised GPU does not work."""
    node = os.environ.get("SLURMD_NODENAME") or platform.node()
    mend = "this is for another node to try; where no node has a GPU, set resources.<rule>.gpu: 0"
    return TryAgain(f"{node}: the job was promised a GPU, but {why}; {mend}")


def _wait_for(wanted: int, names: list[str]) -> list[str]:
    folder, waiting = _folder(), False
    while len(taken := _taken(wanted, names, folder)) < wanted:
        # What is held while waiting could be what another job waits for.
        while held:
            os.close(held.pop())
        if not waiting:
            print(f"waiting for GPUs: other jobs hold some of {', '.join(names)}", flush=True)
        waiting = True
        time.sleep(PAUSE_S * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
    return taken


def _taken(wanted: int, names: list[str], folder: Path) -> list[str]:
    """Lock as many as are wanted, or all that are free; each device once."""
    taken: list[str] = []
    # Every device gets its first job before any gets its second.
    for place in range(jobs_per_gpu()):
        for name in names:
            file = folder / f"{name.replace('/', '_')}.{place}"
            if len(taken) < wanted and name not in taken and _locked(file):
                taken.append(name)
    return taken


def _folder() -> Path:
    """The user's own folder of locks; each Slurm job has another, for devices of its own."""
    job = os.environ.get(SLURM_JOB)
    name = f"selfsame-gpus-{os.getuid()}" + (f"-{job}" if job else "")
    folder = Path(tempfile.gettempdir()) / name
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.lstat().st_uid != os.getuid():
        raise UserError(f"{folder}: belongs to another user; remove it or set TMPDIR")
    return folder


def _locked(file: Path) -> bool:
    """Lock the file for as long as this process lives, or return False where another has it."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    held.append(descriptor)
    return True
