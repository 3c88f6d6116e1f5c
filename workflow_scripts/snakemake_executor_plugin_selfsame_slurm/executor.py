"""The executor: the plugin submits, we watch, and we pick up what a killed run left."""

import asyncio
import shlex
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import suppress
from typing import Any

import snakemake_executor_plugin_slurm as plugin
from snakemake_executor_plugin_slurm.utils import get_job_wildcards
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo

from snakemake_executor_plugin_selfsame_slurm import commands, leftovers
from snakemake_executor_plugin_selfsame_slurm.restoring import restored
from snakemake_executor_plugin_selfsame_slurm.states import Fate, State
from snakemake_executor_plugin_selfsame_slurm.watch import Watch

common_settings = plugin.common_settings
GROWTH = 1.25
NAP_S = 0.2
LEFTOVERS_END_S = 120


class Executor(plugin.Executor):
    """Submits jobs by sbatch as the plugin does, and watches them by rules of its own."""

    def __init__(self, workflow: Any, logger: Any) -> None:
        """Check what can be checked before anything is submitted."""
        settings = workflow.executor_settings
        settings.jobname_prefix = leftovers.prefix(settings.jobname_prefix)
        self._ending = threading.Event()
        self._submitted: set[str | None] = set()
        self._reasons: set[str] = set()
        try:
            self._configuration = commands.configuration()
        except commands.NoAnswerError as error:
            raise WorkflowError(f"Slurm does not answer: {error}") from None
        super().__init__(workflow, logger)

    def __post_init__(self, test_mode: bool = False) -> None:
        """Set up the watch; end the jobs that a killed run of this folder left."""
        super().__post_init__(test_mode)
        settings = self.workflow.executor_settings
        accounting = "slurmdbd" in self._configuration.get("AccountingStorageType", "")
        if settings.status_command == "sacct" and not accounting:
            raise WorkflowError("this Slurm keeps no accounts: use status-command squeue")
        self._longest = self._longest_pause()
        self._watch = Watch(self.run_uuid, settings, accounting)
        self.next_seconds_between_status_checks = settings.init_seconds_before_status_checks
        self._end_leftovers()

    def additional_general_args(self) -> str:
        """How Snakemake runs inside the job: at once, without an srun and one more Snakemake.

        Our jobs are of one task on one node, so the batch script has all that srun would give it.
        """
        return "--executor local"

    def get_account_arg(self, job: Any) -> Iterator[str]:
        """The job's account; without one, Slurm takes the user's own (the plugin would guess)."""
        if job.resources.get("slurm_account"):
            yield from super().get_account_arg(job)
        else:
            yield ""

    def get_partition_arg(self, job: Any) -> str:
        """The partition: the job's own, else the one for jobs with or without a GPU, else any."""
        settings = self.workflow.executor_settings
        gpu = bool(job.resources.get("gpu"))
        chosen = (gpu and settings.gpu_partition) or settings.partition
        if job.resources.get("slurm_partition") or not chosen:
            return str(super().get_partition_arg(job))
        return f" -p {shlex.quote(chosen)}"

    def run_job(self, job: Any) -> None:
        """Submit a job, unless the step cache has its result."""
        if restored(job):
            self._in_main_thread(self._report_restored, job)
            return
        model = self.workflow.executor_settings.gpu_model
        if model and job.resources.get("gpu") and not job.resources.get("gpu_model"):
            job.resources.update({"gpu_model": model})
        super().run_job(job)

    def _in_main_thread(self, do: Callable[[Any], None], what: Any) -> None:
        if self._main_event_loop is None:
            do(what)
        else:
            self._main_event_loop.call_soon_threadsafe(do, what)

    def _report_restored(self, job: Any) -> None:
        """As a job that Slurm has run, but for the waiting."""
        job.register()
        self.report_job_success(SubmittedJobInfo(job))

    async def check_active_jobs(
        self, active_jobs: list[SubmittedJobInfo]
    ) -> AsyncGenerator[SubmittedJobInfo, None]:
        """Report the jobs that have ended; yield the others."""
        if active_jobs:
            fates = self._look(active_jobs)
            unfinished = [job for job in active_jobs if not self._settle(job, fates)]
            self._set_pace(something_ended=len(unfinished) < len(active_jobs))
            for job in unfinished:
                yield job

    async def sleep(self) -> None:
        """Wait for the next look, but no longer than the run lasts."""
        began = time.monotonic()
        while self.wait and time.monotonic() - began < self.next_seconds_between_status_checks:
            await asyncio.sleep(NAP_S)

    def cancel(self) -> None:
        """Cancel the run's jobs, also those that were being submitted at that moment."""
        super().cancel()
        self.cancel_jobs([])

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        """Cancel all jobs of the run by its name.

        The list of active jobs is empty while they are being looked at, so it would miss them.
        """
        try:
            commands.cancel_run(self.run_uuid)
        except commands.NoAnswerError as error:
            self.logger.warning(f"The jobs could not be cancelled; the next call does ({error}).")

    def shutdown(self) -> None:
        """Let go of submissions that wait for Slurm, then end as the plugin does."""
        self._ending.set()
        self._job_submission_executor.shutdown(wait=False, cancel_futures=True)
        super().shutdown()

    def _report_job_submission_threadsafe(self, job_info: SubmittedJobInfo) -> None:
        """A submission has succeeded."""
        self._submitted.add(job_info.external_jobid)
        super()._report_job_submission_threadsafe(job_info)

    def _report_job_error_threadsafe(self, job_info: SubmittedJobInfo, msg: str) -> None:
        """A submission has failed. If Slurm was not there, submit again when it is."""
        silent = commands.NO_ANSWER.search(msg.partition("sbatch call:")[0])
        jobs = self._await_slurm(job_info.job, msg) if silent else None
        if jobs is None:
            super()._report_job_error_threadsafe(job_info, msg)
        else:
            self._submit_again(job_info.job, jobs)

    def _await_slurm(self, job: Any, message: str) -> list[str] | None:
        """Ask Slurm for this job until it answers; None if the run ends before.

        When patience ends, so does the run.
        """
        self.logger.warning(f"Slurm does not answer: a job of {job.name} waits to be submitted.")
        settings = self.workflow.executor_settings
        deadline = time.monotonic() + settings.give_up_after
        while time.monotonic() < deadline:
            with suppress(commands.NoAnswerError):
                return commands.by_comment(self.run_uuid, _comment(job))
            if self._ending.wait(settings.init_seconds_before_status_checks):
                return None
        error = WorkflowError(
            f"Slurm has not answered for {settings.give_up_after} s. {message.splitlines()[0]}"
        )
        self.workflow.scheduler.executor_error_callback(error)
        return None

    def _submit_again(self, job: Any, jobs: list[str]) -> None:
        """Submit a job, unless Slurm had it in spite of not answering."""
        accepted = next((number for number in jobs if number not in self._submitted), None)
        if accepted is None:
            self.run_job(job)
            return
        log = self.slurm_logdir / f"rule_{job.name}" / get_job_wildcards(job) / f"{accepted}.log"
        self._report_job_submission_threadsafe(
            SubmittedJobInfo(job, external_jobid=accepted, aux={"slurm_logfile": log})
        )

    def _look(self, jobs: list[SubmittedJobInfo]) -> dict[str, tuple[Fate, State]]:
        """What has become of the jobs; nothing at all while Slurm does not answer."""
        silence = self._watch.silence
        try:
            fates = self._watch.look(job.external_jobid for job in jobs)
        except commands.NoAnswerError as error:
            if not silence:
                self._say_silent(error)
            return {}
        if silence:
            self.logger.warning(f"Slurm answers again, after {silence:.0f} s.")
        for job, (_, state) in fates.items():
            self._say_why_it_waits(job, state)
        return fates

    def _settle(self, job: SubmittedJobInfo, fates: dict[str, tuple[Fate, State]]) -> bool:
        """Report a job that has ended. Whether it has."""
        fate, state = fates.get(job.external_jobid, (Fate.ACTIVE, None))
        if fate is Fate.ACTIVE:
            return False
        if fate is Fate.DONE:
            self.report_job_success(job)
            self._remove_log(job)
            return True
        if fate is Fate.STUCK:
            with suppress(commands.NoAnswerError):
                commands.cancel([job.external_jobid])
        log = (job.aux or {}).get("slurm_logfile")
        message = f"Slurm job {job.external_jobid} has ended: {state}. "
        self.report_job_error(job, msg=message, aux_logs=[str(log)] if log else [])
        return True

    def _remove_log(self, job: SubmittedJobInfo) -> None:
        log = (job.aux or {}).get("slurm_logfile")
        if log and not self.workflow.executor_settings.keep_successful_logs:
            log.unlink(missing_ok=True)

    def _set_pace(self, something_ended: bool) -> None:
        first = self.workflow.executor_settings.init_seconds_before_status_checks
        longer = self.next_seconds_between_status_checks * GROWTH
        pause = first if something_ended else min(longer, self._longest)
        self.next_seconds_between_status_checks = pause

    def _longest_pause(self) -> float:
        """The longest pause between looks in which squeue does not forget an ended job."""
        settings = self.workflow.executor_settings
        age = float(self._configuration.get("MinJobAge", "300").split()[0])
        if settings.status_command == "sacct" or age == 0:
            return float(settings.max_seconds_between_status_checks)
        if age < 2 * settings.init_seconds_before_status_checks:
            raise WorkflowError(
                f"squeue forgets ended jobs after {age:.0f} s here (MinJobAge): use status-command "
                "sacct, or a smaller init-seconds-before-status-checks"
            )
        return min(float(settings.max_seconds_between_status_checks), age / 2)

    def _say_silent(self, error: commands.NoAnswerError) -> None:
        self.logger.warning(
            f"Slurm does not answer ({error}). The jobs are kept; the run ends if that lasts "
            f"for more than {self.workflow.executor_settings.give_up_after} s."
        )

    def _say_why_it_waits(self, job: str, state: State) -> None:
        """Say once for each reason that somebody may have to do something about."""
        if state.waits_long and state.reason not in self._reasons:
            self._reasons.add(state.reason)
            self.logger.warning(f"Slurm job {job} waits, and perhaps for long: {state.reason}")

    def _end_leftovers(self) -> None:
        """Cancel the jobs of this folder that nobody watches, and wait for their end."""
        orphans, elsewhere = leftovers.find(self.workflow.workdir_init)
        if elsewhere:
            self.logger.warning(
                f"Jobs of a run in this folder that was started on another machine are in Slurm's "
                f"queue. If that run is no more: scancel {' '.join(elsewhere)}"
            )
        if not orphans:
            return
        self.logger.warning(f"Cancelling jobs that a killed run left: {' '.join(orphans)}")
        commands.cancel(orphans)
        deadline = time.monotonic() + LEFTOVERS_END_S
        while {job for job, *_ in commands.own_jobs()} & set(orphans):
            if time.monotonic() > deadline:
                raise WorkflowError(f"these jobs do not end: {' '.join(orphans)}")
            time.sleep(NAP_S)


def _comment(job: Any) -> str:
    """The comment by which the plugin marks a job in Slurm."""
    wildcards = get_job_wildcards(job)
    return f"rule_{job.name}_wildcards_{wildcards}" if wildcards else f"rule_{job.name}"
