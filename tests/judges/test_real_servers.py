"""Judges behind real servers: llama.cpp's, which gives log-probabilities, and transformers' own.

Both serve models of tests/tiny_judge.py, so that each reply can be worked out from the model's
logits.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from gguf_files import write_gguf
from judged_answers import ANSWERS, HOSTILE, KEY, Asking
from model_servers import free_port, llama_cpp, transformers_serve
from selfsame.errors import TryAgain, UserError
from selfsame.judging.asking import tasks
from selfsame.judging.replies import LEAST_NUMBER_MASS
from selfsame.tables import parquet
from tiny_judge import make_judge

TOP = 20


class Model:
    """A judge's model and what it says of a prompt, by transformers alone."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32")

    def ids(self, prompt: str) -> torch.Tensor:
        turns = [{"role": "user", "content": prompt}]
        text = self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        return self.tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]

    def greedy(self, prompt: str) -> str:
        ids = self.ids(prompt)
        said = self.model.generate(ids, max_new_tokens=8, do_sample=False)[0, ids.shape[1] :]
        return str(self.tokenizer.decode(said, skip_special_tokens=True)).strip()

    def top(self, prompt: str) -> list[tuple[str, float]]:
        """The likeliest first tokens with their probabilities."""
        with torch.no_grad():
            shares = self.model(self.ids(prompt)).logits[0, -1].softmax(-1)
        values, tokens = shares.topk(TOP)
        return [
            (self.tokenizer.decode([token]), float(value))
            for value, token in zip(values, tokens.tolist(), strict=True)
        ]

    def expected(self, prompt: str) -> tuple[float | None, float]:
        """Expected value over the whole numbers among the likeliest tokens, and their mass."""
        numbers = [(int(text), p) for text, p in self.top(prompt) if text.strip().isdecimal()]
        mass = math.fsum(p for _, p in numbers)
        if mass < LEAST_NUMBER_MASS:
            return None, mass
        return math.fsum(n * p for n, p in numbers) / mass, mass


def prompts_of(asking: Asking) -> dict[tuple[int, str], str]:
    """What was asked, by sample and criterion."""
    samples = parquet.read(asking.folder / "samples" / "samples.parquet")
    prompts = parquet.read(asking.folder / "prompts" / "prompts.parquet")
    found = tasks(samples, prompts, asking.spec()["wording"])
    return {(task.sample["sample"], task.criterion): str(task.prompt) for task in found}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_judge(tmp_path_factory.mktemp("judge") / "llama")


@pytest.fixture(scope="module")
def gguf(folder: Path) -> Path:
    return write_gguf(folder, folder.with_suffix(".gguf"))


@pytest.fixture(scope="module")
def with_logprobs(gguf: Path) -> Iterator[str]:
    port = free_port()
    with llama_cpp(gguf, port, KEY):
        yield f"http://127.0.0.1:{port}/v1"


def test_scores_are_the_expected_values_of_the_models_own_logits(
    asking: Asking, folder: Path, with_logprobs: str
) -> None:
    rows = asking.ask(base_url=with_logprobs)
    model, prompts = Model(folder), prompts_of(asking)
    assert len(rows) == 2 * len(ANSWERS)
    for row in rows:
        prompt = prompts[row["sample"], row["criterion"]]
        score, mass = model.expected(prompt)
        assert row["number_mass"] == pytest.approx(mass, abs=2e-3)
        assert row["score"] == (None if score is None else pytest.approx(score, abs=0.1))
        assert row["reply"] == model.greedy(prompt)
        assert row["read_from"] == "logprobs"
        assert row["n_tokens"] == pytest.approx(model.ids(prompt).shape[1] + 1, abs=2)
    scores = [row["score"] for row in rows if row["score"] is not None]
    assert len(scores) == 12
    assert any(score != round(score) for score in scores)  # no score is read from a text


def test_the_judge_that_runs_here_agrees_with_the_served_one(
    asking: Asking, folder: Path, with_logprobs: str
) -> None:
    served = asking.ask(base_url=with_logprobs)
    local = asking.ask_local(folder)
    for one, other in zip(served, local, strict=True):
        assert one["answer_class"] == other["answer_class"]
        assert one["reply"] == other["reply"]
        assert one["score"] == (other["score"] and pytest.approx(other["score"], abs=1))


def test_a_hostile_answer_is_no_more_than_text_to_the_server(
    asking: Asking, folder: Path, with_logprobs: str
) -> None:
    """It gets the grade of its one word, and no token of it is a control token there."""
    rows = asking.ask([HOSTILE], base_url=with_logprobs)
    model, prompts = Model(folder), prompts_of(asking)
    assert [row["reply"] for row in rows] == ["10", "80"]
    special = {*model.tokenizer.added_tokens_decoder}
    for row in rows:
        ids = model.ids(prompts[0, row["criterion"]])[0].tolist()
        assert sum(token in special for token in ids) == 3  # start and end of a turn, and a start
        assert row["n_tokens"] == pytest.approx(len(ids) + 1, abs=2)


def test_a_wrong_key_ends_at_once(
    asking: Asking, with_logprobs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_KEY", "sk-wrong")
    with pytest.raises(UserError, match=r"HTTP 401: .*; set JUDGE_KEY to a key that it") as caught:
        asking.ask(base_url=with_logprobs)
    assert "sk-wrong" not in str(caught.value)


def test_a_server_that_is_killed_loses_nothing(asking: Asking, gguf: Path) -> None:
    port, asked = free_port(), []
    given: dict[str, Any] = {"base_url": f"http://127.0.0.1:{port}/v1", "concurrency": 1}
    with llama_cpp(gguf, port) as process:
        assert len(asking.ask(ANSWERS[:4], **given)) == 8
        process.kill()
        process.wait()
        with pytest.raises(TryAgain, match="cannot be reached"):
            asking.ask(ANSWERS, **given)
    kept = {file.name for file in asking.replies.glob("??/*.json")}
    assert len(kept) == 8
    with llama_cpp(gguf, port):
        asked = asking.ask(ANSWERS, **given)
    assert len(asked) == 2 * len(ANSWERS)
    assert asking.found.startswith("20 judgements, 12 replies asked for")


def test_a_server_without_logprobs_is_read_by_its_text(
    asking: Asking, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """`transformers serve` on a Qwen2-shaped model, which writes numbers digit by digit."""
    folder, port = make_judge(tmp_path_factory.mktemp("judge") / "qwen2", digits=True), free_port()
    with transformers_serve(folder, port):
        address = f"http://127.0.0.1:{port}/v1"
        rows = asking.ask(ANSWERS[:5], base_url=address, model=str(folder), key_variable=None)
    model, prompts = Model(folder), prompts_of(asking)
    for row in rows:
        said = model.greedy(prompts[row["sample"], row["criterion"]])
        assert row["reply"] == said
        assert row["score"] == (float(said) if said.isdigit() else None)
        assert row["answer_class"] == ("number" if said.isdigit() else said.lower())
        assert (row["read_from"], row["number_mass"]) == ("text", None)
    assert {row["answer_class"] for row in rows} == {"number", "refusal", "code"}
