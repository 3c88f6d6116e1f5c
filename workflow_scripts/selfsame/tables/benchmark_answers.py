"""What lm-evaluation-harness says of each question that a state was asked: raw, by metric."""

import pyarrow as pa

from selfsame.tables.columns import STATE_KEYS, column

FILE = "benchmark_answers.parquet"
BENCHMARK_ANSWERS = pa.schema(
    [
        *STATE_KEYS,
        ("benchmark", pa.string()),  # as the config names it: a task, or a group of tasks
        ("task", pa.string()),
        ("version", pa.string()),  # of the task, as the harness has it
        column("n_shot", pa.int64(), "examples in the prompt"),
        ("doc_id", pa.int64()),
        # Digests of the question, the prompt made of it and the right answer, by the harness.
        ("doc_hash", pa.string()),
        ("prompt_hash", pa.string()),
        ("target_hash", pa.string()),
        ("target", pa.string()),
        ("responses", pa.string()),  # JSON: log-likelihoods of the choices, or what was written
        ("filter", pa.string()),
        ("metric", pa.string()),
        column("value", pa.float64(), "the metric's; null: no number"),
    ]
)
