"""Ask one state standard benchmarks through lm-evaluation-harness; the model is loaded once.

Run: python workflow_scripts/evaluate_benchmarks.py --spec JSON --base MANIFEST
         [--adapters MANIFEST ...] [--tasks FILE ...] --out DIR
"""

from selfsame.step import Step, run


def main(step: Step) -> str:
    """Write benchmark_answers.parquet, and observations.parquet of the metrics that are shares."""
    from selfsame.errors import UserError
    from selfsame.harness.settings import BenchmarkSettings
    from selfsame.sampling.budget import fitting_budget
    from selfsame.sampling.state import load_speaker
    from selfsame.tables import parquet
    from selfsame.tables.benchmark_answers import BENCHMARK_ANSWERS, FILE
    from selfsame.tables.observations import OBSERVATIONS

    try:
        from selfsame.harness import tasks
        from selfsame.harness.model import StateLM
    except ModuleNotFoundError as error:
        raise UserError(
            f"benchmarks: {error.name} is not installed; pip install 'selfsame[benchmarks]'"
        ) from error

    settings = BenchmarkSettings(**step.spec["benchmarks"])
    manager = tasks.known_tasks(settings)
    speaker = load_speaker(step)
    tokens = settings.batch_tokens or fitting_budget(speaker.model, step.gpus)
    keys = {key: step.spec[key] for key in ("experiment", "model", "chain", "seed")}
    model, rows = StateLM(speaker, tokens), []
    for name in settings.tasks:
        results = tasks.evaluate(model, name, settings, manager)
        rows += [keys | row for row in tasks.answers(name, results)]
    observed = tasks.observations(rows)
    parquet.write(step.out / FILE, rows, BENCHMARK_ANSWERS)
    parquet.write(step.out / "observations.parquet", observed, OBSERVATIONS)
    questions = {(row["task"], row["doc_id"]) for row in rows}
    metrics = {row["metric"] for row in observed}
    return (
        f"{len(questions):,} questions of {len(settings.tasks)} benchmarks, {len(metrics)} metrics"
    )


if __name__ == "__main__":
    run(main, inputs=["base"], lists=["adapters", "tasks"])
