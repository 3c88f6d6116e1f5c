"""`snakemake --executor selfsame-slurm`: the Slurm plugin, made to survive what befalls a cluster.

A thin subclass of snakemake-executor-plugin-slurm 2.8.0. Submitting is the plugin's; watching the
jobs is ours (`watch.py` says how and why). `profiles/slurm` uses it; docs/cluster.md tells more.
Where the plugin is missing or another one, everything else in Snakemake goes on working.
"""

from snakemake_executor_plugin_selfsame_slurm import version

if version.installed() is not None:
    from snakemake_executor_plugin_selfsame_slurm.settings import (
        ExecutorSettings as ExecutorSettings,
    )

if version.installed() == version.NEEDED:
    from snakemake_executor_plugin_selfsame_slurm.executor import Executor, common_settings
else:
    from snakemake_executor_plugin_selfsame_slurm.version import Executor, common_settings

__all__ = ["Executor", "common_settings"]
