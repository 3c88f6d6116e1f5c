"""Tasks of one's own for lm-evaluation-harness, on local files."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

QUESTIONS = [
    {"q": f"What is {n} plus {n}?", "choices": [str(2 * n), str(2 * n + 1)], "right": n % 2}
    for n in range(7)
]
TASK = """
task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {file}}}}}
test_split: test
output_type: {kind}
doc_to_text: "{text}"
doc_to_target: "{target}"
metadata: {{version: {version}}}
{more}
"""
CHOICE = 'doc_to_choice: "{{choices}}"\nmetric_list: [{metric: acc}, {metric: acc_norm}]'
WRITTEN = (
    'generation_kwargs: {until: ["\\n"], max_gen_toks: 6}\nmetric_list: [{metric: exact_match}]'
)
ROLLING = "metric_list: [{metric: bits_per_byte}]"
GROUP = """
group: both
task: [sums, more_sums]
aggregate_metric_list: [{metric: acc, weight_by_size: true}]
metadata: {version: 4}
"""


@contextmanager
def offline(cache: Path) -> Iterator[None]:
    """The data sets' cache is the test's own, and nothing is asked of the hub.

    Nor is this machine described in the results, for which the harness takes seconds.
    """
    import datasets.config
    import huggingface_hub.constants
    import lm_eval.evaluator

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", cache)
        patch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
        patch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
        patch.setattr(lm_eval.evaluator, "add_env_info", lambda results: None)
        yield


def write_tasks(folder: Path) -> Path:
    """sums, more_sums (a task of fewer questions), both (their group), written, rolling."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, questions in (("sums", QUESTIONS), ("more_sums", QUESTIONS[:3])):
        lines = "".join(json.dumps(question) + "\n" for question in questions)
        (folder / f"{name}.jsonl").write_text(lines)
        _write(folder, name, f"{name}.jsonl", "multiple_choice", "right", CHOICE)
    _write(folder, "written", "sums.jsonl", "generate_until", "{{choices[0]}}", WRITTEN)
    _write(folder, "rolling", "sums.jsonl", "loglikelihood_rolling", "{{q}}", ROLLING, text="")
    (folder / "both.yaml").write_text(GROUP)
    return folder


def _write(
    folder: Path,
    name: str,
    file: str,
    kind: str,
    target: str,
    more: str,
    text: str = "{{q}} Answer:",
) -> None:
    keys = {"name": name, "kind": kind, "target": target, "more": more, "text": text, "version": 3}
    (folder / f"{name}.yaml").write_text(TASK.format(**keys, file=(folder / file).resolve()))
