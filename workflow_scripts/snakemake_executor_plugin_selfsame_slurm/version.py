"""The one version of the Slurm plugin that the executor fits, and what stands in for it otherwise.

The executor overrides methods that are no public interface, so another version may behave in ways
nobody has tried. Then it cannot be used, and says so; other executors are not disturbed.
"""

from importlib import metadata
from typing import Any, NoReturn

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import AbstractExecutor
from snakemake_interface_executor_plugins.settings import CommonSettings

PACKAGE = "snakemake-executor-plugin-slurm"
NEEDED = "2.8.0"

common_settings = CommonSettings(
    non_local_exec=True, implies_no_shared_fs=False, job_deploy_sources=False
)


def installed() -> str | None:
    """The version of the Slurm plugin that is installed."""
    try:
        return metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        return None


class Executor(AbstractExecutor):
    """Says in one line what is missing, when somebody asks for the executor."""

    def __init__(self, workflow: Any, logger: Any) -> None:
        """Raise WorkflowError."""
        self._refuse()

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise WorkflowError(
            f"--executor selfsame-slurm needs {PACKAGE} {NEEDED}, here is {installed() or 'none'}: "
            f"pip install {PACKAGE}=={NEEDED}"
        )

    run_job = shutdown = cancel = handle_job_success = handle_job_error = _refuse
