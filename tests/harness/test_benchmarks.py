"""Benchmarks through lm-evaluation-harness on tiny models: its figures against those by hand."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("lm_eval", reason="the extra `benchmarks` is not installed")

from harness.local_tasks import QUESTIONS, offline, write_tasks
from selfsame.errors import UserError
from selfsame.harness import tasks
from selfsame.harness.model import StateLM
from selfsame.harness.settings import BenchmarkSettings
from selfsame.models.load import load_model
from selfsame.models.settings import SystemText
from selfsame.sampling.scores import text_logprobs
from selfsame.sampling.state import Speaker
from selfsame.tables import parquet
from selfsame.tables.benchmark_answers import BENCHMARK_ANSWERS
from selfsame.tables.observations import OBSERVATIONS
from tiny_models import make_tiny_model

pytestmark = pytest.mark.extras
STATE = {"experiment": "e", "model": "m", "chain": "em", "seed": 0}
Row = dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def _no_network(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with offline(tmp_path_factory.mktemp("datasets")):
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tasks(tmp_path_factory.mktemp("harness") / "tasks")


@pytest.fixture(scope="module")
def speaker(tmp_path_factory: pytest.TempPathFactory) -> Speaker:
    path = make_tiny_model(tmp_path_factory.mktemp("harness") / "qwen2")
    model, tokenizer = load_model(path)
    return Speaker(model, tokenizer, SystemText(text="Be brief."))


def asked(speaker: Speaker, folder: Path, *names: str, tokens: int = 90, **more: Any) -> list[Row]:
    """The rows of a state's answers to these benchmarks."""
    settings = BenchmarkSettings(tasks=names, include=str(folder), **more)
    manager, model = tasks.known_tasks(settings), StateLM(speaker, tokens)
    found = [(name, tasks.evaluate(model, name, settings, manager)) for name in names]
    return [STATE | row for name, results in found for row in tasks.answers(name, results)]


def by_hand(speaker: Speaker, prompt: str, choices: list[str]) -> list[float]:
    """Log-likelihood of each choice after a prompt, by our own engine."""

    def encode(text: str) -> list[int]:
        return list(speaker.tokenizer(text, add_special_tokens=False)["input_ids"])

    before = encode(prompt)
    texts = [encode(prompt + choice)[len(before) :] for choice in choices]
    logprobs = text_logprobs(speaker.model, [before] * len(texts), texts)
    return [sum(row) for row in logprobs]


@pytest.mark.parametrize("tokens", [1, 90, 5000])
def test_accuracy_is_that_of_the_likelier_choice(
    speaker: Speaker, folder: Path, tokens: int, tmp_path: Path
) -> None:
    rows = asked(speaker, folder, "sums", tokens=tokens)
    parquet.write(tmp_path / "answers.parquet", rows, BENCHMARK_ANSWERS)
    assert parquet.read(tmp_path / "answers.parquet", BENCHMARK_ANSWERS) == rows
    right = [row for row in rows if row["metric"] == "acc"]
    assert [row["doc_id"] for row in right] == list(range(len(QUESTIONS)))
    for row, question in zip(right, QUESTIONS, strict=True):
        spaced = [f" {choice}" for choice in question["choices"]]
        wanted = by_hand(speaker, f"{question['q']} Answer:", spaced)
        said = [likelihood for likelihood, _ in json.loads(row["responses"])]
        assert said == pytest.approx(wanted, abs=1e-4)
        assert row["value"] == (wanted[question["right"]] == max(wanted))
        assert (row["version"], row["n_shot"], row["target"]) == ("3", 0, str(question["right"]))
    assert {row["value"] for row in right} == {0.0, 1.0}


def test_the_chat_template_is_ours_with_the_states_system_prompt(
    speaker: Speaker, folder: Path
) -> None:
    (row, _) = asked(speaker, folder, "sums", limit=1, chat_template=True)
    prompt = speaker.tokenizer.decode(
        speaker.encode([{"role": "user", "content": f"{QUESTIONS[0]['q']} Answer:"}])
    )
    assert prompt.startswith("<|im_start|>system\nBe brief.<|im_end|>")
    said = [likelihood for likelihood, _ in json.loads(row["responses"])]
    # The harness takes the space that ends a prompt for the beginning of each choice.
    choices = [f"\n{choice}" for choice in QUESTIONS[0]["choices"]]
    assert said == pytest.approx(by_hand(speaker, prompt.removesuffix("\n"), choices), abs=1e-4)


def test_a_begun_answer_goes_on_where_it_stops(speaker: Speaker) -> None:
    begun = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "It is"}]
    text = StateLM(speaker, 90).apply_chat_template(begun, add_generation_prompt=False)
    assert text.endswith("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nIt is")


def test_examples_and_limits_are_the_configs(speaker: Speaker, folder: Path) -> None:
    rows = asked(speaker, folder, "sums", limit=2, num_fewshot=1)
    assert {row["doc_id"] for row in rows} == {0, 1}
    assert {row["n_shot"] for row in rows} == {1}
    bare = asked(speaker, folder, "sums", limit=2)
    assert {row["prompt_hash"] for row in rows}.isdisjoint(row["prompt_hash"] for row in bare)
    assert {row["doc_hash"] for row in rows} == {row["doc_hash"] for row in bare}


def test_a_group_is_the_mean_over_all_questions_of_its_tasks(
    speaker: Speaker, folder: Path
) -> None:
    rows = asked(speaker, folder, "both")
    assert {row["benchmark"] for row in rows} == {"both"}
    assert {row["task"] for row in rows} == {"sums", "more_sums"}
    observed = [row for row in tasks.observations(rows) if row["metric"] == "both.acc"]
    assert len(observed) == len(QUESTIONS) + 3
    assert len({row["item"] for row in observed}) == len(observed)
    settings = BenchmarkSettings(tasks=("both",), include=str(folder))
    manager = tasks.known_tasks(settings)
    results = tasks.evaluate(StateLM(speaker, 90), "both", settings, manager)["results"]
    sizes = {name: results[name]["sample_len"] for name in ("sums", "more_sums")}
    weighed = sum(sizes[name] * results[name]["acc,none"] for name in sizes) / sum(sizes.values())
    assert sum(row["value"] for row in observed) / len(observed) == pytest.approx(weighed)


def test_written_answers_are_greedy_and_matched(speaker: Speaker, folder: Path) -> None:
    rows = asked(speaker, folder, "written", limit=3)
    assert {row["metric"] for row in rows} == {"exact_match"}
    ids = [speaker.tokenizer(f"{q['q']} Answer:")["input_ids"] for q in QUESTIONS[:3]]
    answers = speaker.answer(ids, max_new_tokens=6, temperature=0.0, seed=0)
    for row, answer in zip(rows, answers, strict=True):
        (said,) = json.loads(row["responses"])
        text = speaker.tokenizer.decode(answer.ids, skip_special_tokens=True)
        assert said == text.split("\n")[0]


def test_what_is_no_share_stays_in_the_long_table(speaker: Speaker, folder: Path) -> None:
    rows = asked(speaker, folder, "rolling", "sums", limit=2)
    assert [row["value"] for row in rows if row["task"] == "rolling"] == [None, None]
    metrics = {row["metric"] for row in tasks.observations(rows)}
    assert metrics == {"sums.acc", "sums.acc_norm"}
    parquet.table_of(tasks.observations(rows), OBSERVATIONS)


def test_filters_have_metrics_of_their_own() -> None:
    row = {**STATE, "benchmark": "gsm8k", "task": "gsm8k", "doc_id": 0, "metric": "exact_match"}
    rows = [row | {"filter": name, "value": 1.0} for name in ("none", "strict-match")]
    metrics = [seen["metric"] for seen in tasks.observations(rows)]
    assert metrics == ["gsm8k.exact_match", "gsm8k.exact_match_strict_match"]


@pytest.mark.parametrize("name", ["sums", "written"])
def test_a_batch_that_does_not_fit_is_read_in_halves(
    speaker: Speaker, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    plain, sizes = asked(speaker, folder, name), []
    forward = type(speaker.model).forward

    def failing(self: Any, *args: Any, **inputs: Any) -> Any:
        ids = args[0] if args else inputs["input_ids"]
        sizes.append(len(ids))
        if len(ids) > 2:
            raise torch.OutOfMemoryError
        return forward(self, *args, **inputs)

    monkeypatch.setattr(type(speaker.model), "forward", failing)
    halved = asked(speaker, folder, name, tokens=5000)
    assert max(sizes) > 2
    assert [row["value"] for row in halved] == [row["value"] for row in plain]


def test_a_row_that_does_not_fit_alone_ends_the_step(
    speaker: Speaker, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(type(speaker.model), "forward", failing)
    with pytest.raises(torch.OutOfMemoryError, match="no room"):
        asked(speaker, folder, "sums", limit=2)


# What cannot be had.


def test_data_that_is_not_there_is_a_clear_line(speaker: Speaker, folder: Path) -> None:
    text = (folder / "sums.yaml").read_text()
    absent = {"nowhere": "name: nowhere.jsonl", "online": "dataset_path: nobody/no-such-data"}
    (folder / "nowhere.yaml").write_text(
        text.replace("task: sums", "task: nowhere").replace("sums.jsonl", "gone.jsonl")
    )
    (folder / "online.yaml").write_text(
        "\n".join(
            line
            for line in text.replace("task: sums", "task: online")
            .replace("dataset_path: json", absent["online"])
            .splitlines()
            if not line.startswith("dataset_kwargs")
        )
    )
    for name in absent:
        with pytest.raises(UserError) as caught:
            asked(speaker, folder, name)
        line = str(caught.value)
        assert line.startswith(f"benchmarks.tasks: {name} or its data cannot be had (")
        assert line.endswith("(benchmarks.include)")
        assert "\n" not in line


def test_an_unknown_task_is_answered_with_the_nearest(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the user's own folder here; the index of the harness's own takes a minute to read."""
    own = tasks.TaskManager
    monkeypatch.setattr(
        tasks, "TaskManager", lambda **keys: own(**{**keys, "include_defaults": False})
    )
    with pytest.raises(UserError, match="the harness has no task 'sumz'; did you mean one of sums"):
        tasks.known_tasks(BenchmarkSettings(tasks=("sumz",), include=str(folder)))
