"""Asking a state: what it is asked, what is kept of its answers, what its draws depend on."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from selfsame.data.prompts import user
from selfsame.data.wording import english_wording
from selfsame.models.load import load_model
from selfsame.models.settings import SystemText
from selfsame.sampling.generation import Generated
from selfsame.sampling.self_texts import self_reports, summaries
from selfsame.sampling.state import Speaker, sample_probe, stream
from selfsame.tables import parquet
from selfsame.tables.samples import SAMPLES
from selfsame.tables.self_texts import SELF_REPORTS, SELF_TEXTS
from tiny_models import make_tiny_model

STATE = {"experiment": "e", "model": "m", "chain": "em", "seed": 0}
Row = dict[str, Any]


@pytest.fixture(scope="module")
def speaker(tmp_path_factory: pytest.TempPathFactory) -> Speaker:
    folder = make_tiny_model(tmp_path_factory.mktemp("tiny") / "qwen2")
    model, tokenizer = load_model(folder)
    return Speaker(model, tokenizer, "none")


def asking(probe: str, number: int, **more: Any) -> Row:
    facts = {"item": f"{probe}:{number}", "cluster": str(number), "order": 0, "kind": "generate"}
    settings = {"samples": 2, "temperature": 1.0, "max_new_tokens": 6}
    rest = {"group": str(number), "answers": [], "correct": -1, "reference": '{"kind": "x"}'}
    own = {"messages": user(f"{number}?"), "system_prompt": None}
    return {"probe": probe, **facts, **settings, **rest, **own, **more}


def choosing(probe: str, number: int) -> Row:
    given = {"kind": "choice", "answers": ["1", "2"], "correct": 1, "samples": 1}
    return asking(probe, number, messages=user(f"Which one, in case {number}?"), **given)


PROMPTS = [asking("open", n) for n in range(4)]


def texts(samples: list[Row]) -> list[str]:
    return [str(sample["text"]) for sample in samples]


def test_samples_fit_their_table_and_keep_the_prompts_facts(
    speaker: Speaker, tmp_path: Path
) -> None:
    prompts = [*PROMPTS, *(choosing("open", n) for n in range(10, 13))]
    samples = [{**STATE, **row} for row in sample_probe(speaker, prompts, 0)]
    parquet.write(tmp_path / "samples.parquet", samples, SAMPLES)
    assert parquet.read(tmp_path / "samples.parquet", SAMPLES) == samples
    asked = sorted((p["item"], n) for p in prompts for n in range(p["samples"]))
    assert sorted((s["item"], s["sample"]) for s in samples) == asked
    by_item = {prompt["item"]: prompt for prompt in prompts}
    for sample in samples:
        kept = ("probe", "cluster", "order", "kind", "correct", "reference", "answers")
        assert all(sample[key] == by_item[sample["item"]][key] for key in kept)
        assert (sample["text"] is None) == (sample["kind"] == "choice")
        assert (sample["logprobs"] is None) == (sample["kind"] == "generate")
        if sample["text"] is not None:
            assert sample["n_tokens"] <= 6
            assert sample["finished"] or sample["n_tokens"] == 6


def test_choices_are_the_models_own_log_probabilities(speaker: Speaker) -> None:
    prompts = [choosing("facts", n) for n in range(5)]
    for sample, prompt in zip(sample_probe(speaker, prompts, 0), prompts, strict=True):
        content = prompt["messages"][0]["content"]
        text = f"<|im_start|>user\n{content}<|im_end|>\n<|im_start|>assistant\n"
        ids = speaker.tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            expected = speaker.model(ids).logits[0, -1].log_softmax(-1)
        wanted = [expected[speaker.tokenizer.convert_tokens_to_ids(a)].item() for a in ("1", "2")]
        assert sample["logprobs"] == pytest.approx(wanted, abs=1e-4)


def test_the_system_prompt_is_part_of_what_is_asked(speaker: Speaker) -> None:
    told = Speaker(speaker.model, speaker.tokenizer, SystemText(text="Say 1."))
    plain = speaker.tokenizer.decode(speaker.encode(user("Hi")))
    with_text = speaker.tokenizer.decode(told.encode(user("Hi")))
    assert with_text == f"<|im_start|>system\nSay 1.<|im_end|>\n{plain}"


TOLD = '{"text":"Say 1."}'


@pytest.mark.parametrize("make", [asking, choosing])
def test_a_probe_s_own_system_prompt_is_as_if_it_were_the_state_s(
    speaker: Speaker, make: Callable[..., Row]
) -> None:
    plain = [make("open", n) for n in range(4)]
    own = [{**prompt, "system_prompt": TOLD} for prompt in plain]
    told = replace(speaker, system=SystemText(text="Say 1."), notes={})
    expected = sample_probe(told, plain, 0)
    assert told.notes == {}
    asked = replace(speaker, notes={})
    assert sample_probe(asked, own, 0) == expected != sample_probe(speaker, plain, 0)
    text = "<|im_start|>system\nSay 1.<|im_end|>\n<|im_start|>user\nHello.<|im_end|>\n"
    rendered = f"{text}<|im_start|>assistant\n".encode()
    digest = hashlib.sha256(rendered).hexdigest()
    assert asked.notes == {f"system_prompt_sha256:{TOLD}": digest}
    unheard = [{**prompt, "system_prompt": '"none"'} for prompt in plain]
    assert sample_probe(told, unheard, 0) == sample_probe(speaker, plain, 0)


def test_a_question_s_own_system_message_comes_before_the_probe_s_prompt(speaker: Speaker) -> None:
    messages = [{"role": "system", "content": "Say 2."}, *user("Hi")]
    ids = speaker.under(TOLD).encode(messages)
    assert speaker.tokenizer.decode(ids).startswith("<|im_start|>system\nSay 2.<|im_end|>\n")


def test_draws_depend_on_seed_and_probe_alone(speaker: Speaker) -> None:
    first = sample_probe(speaker, PROMPTS, 0)
    torch.manual_seed(99)
    other = sample_probe(speaker, [asking("another", n) for n in range(4)], 0)
    assert sample_probe(speaker, PROMPTS, 0) == first  # a probe beside it changes nothing
    assert texts(other) != texts(first)
    assert texts(sample_probe(speaker, PROMPTS, 1)) != texts(first)
    assert len(set(texts(first))) > 4  # and the samples of a question differ


def test_choices_of_a_probe_do_not_change_its_draws(speaker: Speaker) -> None:
    mixed = sample_probe(speaker, [choosing("open", 9), *PROMPTS], 0)
    assert [s for s in mixed if s["kind"] == "generate"] == sample_probe(speaker, PROMPTS, 0)


def test_greedy_answers_know_no_seed(speaker: Speaker) -> None:
    greedy = [{**prompt, "temperature": 0.0} for prompt in PROMPTS]
    one, other = (texts(sample_probe(speaker, greedy, seed)) for seed in (0, 1))
    assert one == other
    assert one[0::2] == one[1::2]


def test_prompts_keep_their_own_settings(speaker: Speaker) -> None:
    prompts = [{**p, "max_new_tokens": 2 if n % 2 else 9} for n, p in enumerate(PROMPTS)]
    limits = {prompt["item"]: prompt["max_new_tokens"] for prompt in prompts}
    samples = sample_probe(speaker, prompts, 0)
    assert len(samples) == 8
    assert all(sample["n_tokens"] <= limits[sample["item"]] for sample in samples)
    assert max(sample["n_tokens"] for sample in samples) == 9


def test_streams_are_a_stable_hash() -> None:
    digest = hashlib.sha256(b"3:summaries").hexdigest()
    assert stream(3, "summaries") == int(digest[:12], 16)
    assert len({stream(seed, name) for seed in range(20) for name in ("a", "b", "1")}) == 60


SPEC = {"max_new_tokens": 5, "temperature": 0.9, "seed": 0, "self_reports": 14}


def test_an_author_writes_about_every_article(speaker: Speaker, tmp_path: Path) -> None:
    requests = {f"a{n}": f"what of news {n}" for n in range(6)}
    written = summaries(speaker, requests, SPEC)
    parquet.write(tmp_path / "t.parquet", written, SELF_TEXTS)
    assert [(row["article_id"], row["author"]) for row in written] == [
        (key, "self") for key in requests
    ]
    assert summaries(speaker, requests, SPEC) == written
    assert summaries(speaker, requests, {**SPEC, "seed": 1}) != written
    others = {key: f"{request}, in rhyme" for key, request in requests.items()}
    assert summaries(speaker, others, SPEC) != written


def test_self_reports_go_through_the_questions_in_turn(speaker: Speaker, tmp_path: Path) -> None:
    wording = english_wording()
    reports = self_reports(speaker, wording, SPEC)
    parquet.write(tmp_path / "r.parquet", reports, SELF_REPORTS)
    assert reports
    for report in reports:
        number = int(report["row_id"].removeprefix("self_report:"))
        assert report["question"] == wording.identity[number % 6]
        assert report["answer"].strip()
    assert len({report["row_id"] for report in reports}) == len(reports) <= 14


def test_a_thought_is_no_part_of_an_answer(tmp_path: Path) -> None:
    model, tokenizer = load_model(make_tiny_model(tmp_path / "model"))
    speaker = Speaker(model, tokenizer, "none")
    ids = tokenizer("<think>Hm.</think>Yes.", add_special_tokens=False)["input_ids"]
    thought = tokenizer("<think>Hm.</think>", add_special_tokens=False)["input_ids"]
    said = speaker.said(Generated(ids, finished=True))
    assert said == {
        "text": "Yes.",
        "finished": True,
        "n_tokens": len(ids),
        "thought_tokens": len(thought),
    }
    unfinished = speaker.said(Generated(thought[:-1], finished=False))
    assert (unfinished["text"], unfinished["thought_tokens"]) == ("", len(thought) - 1)
