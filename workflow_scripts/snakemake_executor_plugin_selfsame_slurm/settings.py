"""The executor's options: those of the Slurm plugin, and some of our own (--selfsame-slurm-...)."""

from dataclasses import dataclass, field
from typing import Any

import snakemake_executor_plugin_slurm as plugin
from snakemake_interface_common.exceptions import WorkflowError


def _option(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text, "env_var": False, "required": False})


@dataclass
class ExecutorSettings(plugin.ExecutorSettings):
    """Options of --executor selfsame-slurm."""

    partition: str = _option(
        "", "Partition of jobs without a GPU that name none; by default the cluster's own choice."
    )
    gpu_partition: str = _option(
        "", "Partition of jobs with a GPU that name none; by default that of the other jobs."
    )
    gpu_model: str = _option(
        "", "Kind of GPU, as sinfo -o %G names it, for jobs with a GPU; by default any."
    )
    status_command: str = _option(
        "squeue",
        "squeue or sacct: whom to ask how the jobs are. The other one is asked only where the "
        "first leaves a doubt. sacct needs Slurm's accounting.",
    )
    init_seconds_before_status_checks: int = _option(
        10, "Seconds between two looks at the jobs while some of them finish."
    )
    max_seconds_between_status_checks: int = _option(
        60, "The most seconds between two looks, however long nothing finishes."
    )
    give_up_after: int = _option(
        3600, "Seconds without an answer from Slurm after which the run ends with a message."
    )
    forget_after: int = _option(
        300, "Seconds after which a job that Slurm does not know any more counts as failed."
    )

    def __post_init__(self) -> None:
        """Check the plugin's options, then our own. Raises WorkflowError."""
        super().__post_init__()
        if self.array_jobs:
            raise WorkflowError("selfsame-slurm submits no array jobs: leave array-jobs out")
        for name in ("max_seconds_between_status_checks", "give_up_after", "forget_after"):
            if getattr(self, name) < 1:
                raise WorkflowError(f"selfsame-slurm: {name.replace('_', '-')} must be 1 or more")
