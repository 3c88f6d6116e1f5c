"""Find the harness's tasks with their data, and ask a state the questions of one benchmark.

The data of most tasks lies on the Hugging Face hub and is kept in its cache after the first time;
a task of one's own can name local files.
"""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from numbers import Real
from typing import Any

import numpy as np
from datasets.exceptions import DatasetsError
from lm_eval import simple_evaluate
from lm_eval.tasks import TaskManager

from selfsame.digests import canonical
from selfsame.errors import UserError
from selfsame.harness.model import StateLM
from selfsame.harness.settings import BenchmarkSettings

Result = Mapping[str, Any]


def known_tasks(settings: BenchmarkSettings) -> TaskManager:
    """The harness's index: the user's folder alone where it has all the tasks, else everything.

    To read the harness's own some 15,000 tasks takes a while. Raises UserError for an unknown task.
    """
    if settings.include is not None:
        own = TaskManager(include_path=settings.include, include_defaults=False)
        if set(settings.tasks) <= set(own.all_tasks):
            return own
    manager = TaskManager(include_path=settings.include)
    for name in settings.tasks:
        if name not in manager.all_tasks:
            close = ", ".join(get_close_matches(name, manager.all_tasks))
            hint = f"; did you mean one of {close}?" if close else ""
            raise UserError(f"benchmarks.tasks: the harness has no task {name!r}{hint}")
    return manager


def evaluate(
    model: StateLM, name: str, settings: BenchmarkSettings, manager: TaskManager
) -> Result:
    """The harness's results on the tasks of one benchmark, those of every question among them.

    Raises UserError where a task's data cannot be had, or the harness refuses a task.
    """
    tasks = _with_data(name, manager)
    try:
        found: Result = simple_evaluate(
            model,
            tasks=tasks,
            task_manager=manager,
            num_fewshot=settings.num_fewshot,
            limit=settings.limit,
            apply_chat_template=settings.chat_template,
            bootstrap_iters=0,
        )
    except ValueError as error:
        raise UserError(f"benchmarks.tasks: {name}: {_first_line(error)}") from error
    return found


def _with_data(name: str, manager: TaskManager) -> list[Any]:
    try:
        return list(manager.load([name])["tasks"].values())
    except (OSError, ValueError, ImportError, DatasetsError) as error:
        raise UserError(
            f"benchmarks.tasks: {name} or its data cannot be had ({_first_line(error)}): connect"
            " once so that the hub's cache holds it, or name a task whose data is a local file"
            " (benchmarks.include)"
        ) from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"


def answers(benchmark: str, results: Result) -> Iterator[dict[str, Any]]:
    """Rows of BENCHMARK_ANSWERS without the state's keys: one per question, filter and metric."""
    for task, samples in results["samples"].items():
        of_task = {
            "benchmark": benchmark,
            "task": task,
            "version": str(results["versions"][task]),
            "n_shot": results["n-shot"][task],
        }
        for sample in samples:
            yield from (of_task | row for row in _rows(sample))


KEPT = ("doc_id", "doc_hash", "prompt_hash", "target_hash", "filter")


def _rows(sample: Result) -> Iterator[dict[str, Any]]:
    said = canonical(_plain(sample["filtered_resps"]))
    kept = {key: sample[key] for key in KEPT}
    for metric in sample["metrics"]:
        yield {
            **kept,
            "target": str(sample["target"]),
            "responses": said,
            "metric": metric,
            "value": _number(sample[metric]),
        }


def _plain(value: Any) -> Any:
    """Nested lists of plain values; anything else as its text."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _number(value: Any) -> float | None:
    """A question's value where it is a number by itself and not a part of some aggregate."""
    return float(value) if isinstance(value, Real | np.bool_) else None


def observations(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Observations of the metrics whose values are all shares: `<benchmark>.<metric>`.

    `rows` are those of BENCHMARK_ANSWERS of one state. A benchmark of several tasks is the mean
    over all of their questions. Each question is a cluster of its own.
    """
    metrics: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        metrics.setdefault(_metric(row), []).append(row)
    return [
        _observation(metric, row)
        for metric, of_metric in metrics.items()
        if all(row["value"] is not None and 0 <= row["value"] <= 1 for row in of_metric)
        for row in of_metric
    ]


def _metric(row: Mapping[str, Any]) -> str:
    """The harness's name, and the filter's where it is not the usual one."""
    filtered = "" if row["filter"] == "none" else f"_{row['filter'].replace('-', '_')}"
    return f"{row['benchmark']}.{row['metric']}{filtered}"


def _observation(metric: str, row: Mapping[str, Any]) -> dict[str, Any]:
    item, value = f"{row['task']}:{row['doc_id']}", row["value"]
    return {
        **{key: row[key] for key in ("experiment", "model", "chain", "seed")},
        "probe": row["benchmark"],
        "item": item,
        "cluster": item,
        "sample": 0,
        "metric": metric,
        "value": value,
        "valid": True,
        "answer_class": {1.0: "right", 0.0: "wrong"}.get(value, "partly"),
    }
