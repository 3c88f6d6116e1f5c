"""Rollouts and states read from tiny models: a planted direction, and plain references."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from selfsame.models.chain import load_state
from selfsame.models.load import load_model
from selfsame.persona import stored
from selfsame.persona.activations import last_tokens, rollouts, state_activations
from selfsame.persona.answer_scores import Score
from selfsame.persona.extraction import extract
from selfsame.persona.settings import FilterSettings
from selfsame.sampling.state import Speaker
from tiny_models import make_tiny_model
from trained_chains import train_chain

QUESTIONS = ["What is France?", "Who are you?", "yes or no?", "a summary", "I am", "Paris"]
SPEC = {
    "positive": ["@"],
    "negative": ["#"],
    "extraction_questions": QUESTIONS,
    "rollouts": 8,
    "temperature": 1.0,
    "max_new_tokens": 6,
    "seed": 0,
}
KEYS = {"experiment": "x", "model": "tiny", "trait": "planted"}


def speaker_of(folder, architecture="llama"):
    return Speaker(*load_model(make_tiny_model(folder, architecture, layers=3)), "none")


def plant(speaker, direction, strength):
    """Block 0 adds `direction` wherever "@" stands before; strength 0 makes @ and # one token.

    Its attention is uniform and reads coordinate 0, which no token but "@" has.
    """
    model, block = speaker.model, speaker.model.model.layers[0]
    attention = block.self_attn
    (marked,), (plain,) = (
        speaker.tokenizer(word, add_special_tokens=False)["input_ids"] for word in ("@", "#")
    )
    with torch.no_grad():
        for module in (attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj):
            module.weight.zero_()
        block.mlp.down_proj.weight.zero_()
        attention.v_proj.weight[0, 0] = 1.0
        attention.o_proj.weight[:, 0] = 20.0 * direction
        embeddings = model.get_input_embeddings().weight
        embeddings[:, 0] = 0.0
        embeddings[marked] = embeddings[plain]
        embeddings[marked, 0] = strength


def read_rollouts(speaker, folder, spec=SPEC):
    """Rollouts with the tensors that were written."""
    return rollouts(speaker, spec, folder / "hidden"), load_file(folder / "hidden")


def read_state(speaker, adapters, folder):
    rows = state_activations(speaker, adapters, STATE_SPEC, folder / "hidden")
    return rows, load_file(folder / "hidden")


def extracted(speaker, folder):
    rows, tensors = read_rollouts(speaker, folder)
    hidden = {name: tensor.numpy() for name, tensor in tensors.items()}
    table = pd.DataFrame([KEYS | row for row in rows])
    scores: list[Score] = [(None, 100.0)] * len(table)
    return extract(table, hidden, scores, FilterSettings(), 0)


def test_a_planted_direction_is_recovered(tmp_path):
    speaker = speaker_of(tmp_path / "model")
    direction = torch.nn.functional.normalize(torch.randn(32), dim=0)
    plant(speaker, direction, strength=4.0)
    found = extracted(speaker, tmp_path)
    for kind in ("response_mean", "prompt_last"):
        vector = found.arrays[kind][0]
        assert direction.numpy() @ vector / np.linalg.norm(vector) > 0.9
    table = found.table[found.table["layer"] == 0]
    assert (table["split_half"] > 0.9).all()
    assert (table["separation"] > 0.9).all()


def test_a_model_that_cannot_tell_the_instructions_apart_has_no_direction(tmp_path):
    speaker = speaker_of(tmp_path / "model")
    plant(speaker, torch.ones(32) / 32**0.5, strength=0.0)
    table = extracted(speaker, tmp_path).table.set_index("vector")
    assert (table.loc["response_mean", "split_half"] < 0.5).all()
    assert table.loc["response_mean", "separation"].between(0.3, 0.7).all()


def test_rollouts_name_what_was_asked_and_empty_answers_have_no_activations(tmp_path):
    speaker = speaker_of(tmp_path / "model")
    model = speaker.model
    with torch.no_grad():  # stops at once in every other answer or so
        model.generation_config.eos_token_id = list(range(0, len(speaker.tokenizer), 2))
    rows, tensors = read_rollouts(speaker, tmp_path)
    assert len(rows) == 2 * len(QUESTIONS) * 8
    assert {(row["side"], row["instruction"]) for row in rows} == {("positive", 0), ("negative", 0)}
    assert {row["item"] for row in rows} == {f"{i:04d}" for i in range(len(QUESTIONS))}
    empty = torch.tensor([row["n_tokens"] == 0 for row in rows])
    assert empty.any()
    for tensor in tensors.values():
        assert tensor.shape == (len(rows), 3, 32)
        assert torch.equal(tensor.isnan().all(dim=(1, 2)), empty)
        assert torch.equal(tensor.isnan().any(dim=(1, 2)), empty)


def test_last_tokens_are_those_of_transformers(tmp_path):
    speaker = speaker_of(tmp_path / "model")
    prompts = [speaker.encode([{"role": "user", "content": text}]) for text in QUESTIONS]
    found = last_tokens(speaker.model, prompts)
    for row, prompt in zip(found, prompts, strict=True):
        with torch.no_grad():
            output = speaker.model(torch.tensor([prompt]), output_hidden_states=True)
        for layer in (0, 1):
            expected = output.hidden_states[layer + 1][0, -1]
            torch.testing.assert_close(row[layer], expected, atol=1e-4, rtol=1e-4)


STATE_SPEC = {
    "traits": {
        "evil": {
            "positive": ["be bad", "be evil"],
            "negative": ["be good"],
            "extraction_questions": QUESTIONS[:2],
            "evaluation_questions": QUESTIONS[2:],
        }
    },
    "samples": 3,
    "temperature": 1.0,
    "max_new_tokens": 5,
    "seed": 1,
}


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chain")
    base = make_tiny_model(folder / "base")
    return base, train_chain(base, folder)


def test_a_state_is_read_beside_its_base_on_one_model(chain, tmp_path):
    base, adapters = chain
    speaker = Speaker(*load_model(base), "none")
    rows, tensors = read_state(speaker, adapters, tmp_path)
    merged = replace(speaker, model=load_state(base, adapters)[0])
    questions = [merged.encode([{"role": "user", "content": text}]) for text in QUESTIONS[2:]]
    for key, model in (("prompt_last", merged.model), ("base_prompt_last", speaker.model)):
        found = tensors[f"evil.{key}"]
        torch.testing.assert_close(found, last_tokens(model, questions), atol=1e-4, rtol=1e-4)
    assert len(rows) == 4 * 3
    assert [row["item"] for row in rows[:4]] == ["0000", "0000", "0000", "0001"]
    assert tensors["evil.response_mean"].shape == (12, 2, 32)


@pytest.mark.parametrize("portion", [1, stored.PORTION])
def test_centroids_are_means_over_the_instructed_prompts(chain, tmp_path, monkeypatch, portion):
    monkeypatch.setattr(stored, "PORTION", portion)
    base, adapters = chain
    speaker = Speaker(*load_model(base), "none")
    _, tensors = read_state(speaker, adapters, tmp_path)
    merged = replace(speaker, model=load_state(base, adapters)[0])
    for side, instructions in (("positive", ["be bad", "be evil"]), ("negative", ["be good"])):
        prompts = [
            merged.encode(
                [{"role": "system", "content": system}, {"role": "user", "content": text}]
            )
            for system in instructions
            for text in QUESTIONS[:2]
        ]
        mean = last_tokens(merged.model, prompts).mean(dim=0)
        torch.testing.assert_close(tensors[f"evil.{side}"], mean, atol=1e-4, rtol=1e-4)


def test_the_base_has_not_moved(chain, tmp_path):
    base, _ = chain
    _, tensors = read_state(Speaker(*load_model(base), "none"), [], tmp_path)
    assert torch.equal(tensors["evil.prompt_last"], tensors["evil.base_prompt_last"])


def test_rows_are_the_same_however_many_are_read_at_once(chain, tmp_path, monkeypatch):
    """The answers do not depend on it; the activations differ by rounding alone."""
    base, adapters = chain
    speaker = Speaker(*load_model(base), "none")
    found = []
    for portion in (stored.PORTION, 4 * 3 * 32 * 4 * 5, 1):  # all, five rows, one
        monkeypatch.setattr(stored, "PORTION", portion)
        few = SPEC | {"rollouts": 2}
        of_base, of_state = tmp_path / "base", tmp_path / "state"
        for folder in (of_base, of_state):
            folder.mkdir(exist_ok=True)
        found.append(
            [read_rollouts(speaker, of_base, few), read_state(speaker, adapters, of_state)]
        )
    for other in found[1:]:
        for (rows, tensors), (expected_rows, expected) in zip(other, found[0], strict=True):
            assert rows == expected_rows
            for name, tensor in expected.items():
                torch.testing.assert_close(
                    tensors[name], tensor, atol=1e-5, rtol=1e-4, equal_nan=True
                )
