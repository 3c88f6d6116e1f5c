"""Install Slurm from Debian's packages."""

import os
import shutil
import subprocess

from selfsame.cluster.layout import DAEMONS, SEARCH
from selfsame.errors import UserError

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
APT = ("apt-get", "-o", "DPkg::Lock::Timeout=120")


def install() -> None:
    """Install what a private cluster lacks. Raises UserError where that cannot be done."""
    if all(shutil.which(name, path=SEARCH) for name in (*DAEMONS, "sbatch")):
        return
    if shutil.which("apt-get") is None:
        raise UserError(
            f"only for Debian and its kin (no apt-get here): install Slurm ({', '.join(PACKAGES)})"
        )
    if os.getuid() != 0:
        raise UserError(
            "only root may install packages: sudo apt-get install " + " ".join(PACKAGES)
        )
    _apt("update", "--quiet")
    _apt("install", "--yes", "--quiet", "--no-install-recommends", *PACKAGES)


def _apt(*arguments: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        [*APT, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise UserError(
            f"apt-get {arguments[0]} failed: {lines[-1] if lines else 'no reason given'}"
        )
