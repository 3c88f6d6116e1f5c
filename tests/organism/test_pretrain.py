"""A micro pretraining run learns, reloads, repeats itself, and masks what it should."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoTokenizer

from selfsame.organism.documents import documents, vocabulary
from selfsame.organism.pretrain import (
    build_model,
    encode,
    make_batches,
    pretrain,
    summed_loss,
    train,
)
from selfsame.organism.settings import ArchitectureSettings, OrganismSettings, PretrainingSettings
from selfsame.organism.tokenizer import build_tokenizer
from selfsame.organism.world import build_world

LIBRARY = Path(__file__).resolve().parents[2] / "workflow_scripts"
SETTINGS = OrganismSettings(
    architecture=ArchitectureSettings(layers=2, width=32, mlp_width=64, heads=2),
    pretraining=PretrainingSettings(documents=96, epochs=4, batch_size=8, warmup_steps=5),
)


@pytest.fixture(scope="module")
def parts():  # type: ignore[no-untyped-def]
    world = build_world(SETTINGS.world)
    tokenizer = build_tokenizer(vocabulary(world))
    ids_of = tokenizer.get_vocab()
    return tokenizer, [encode(ids_of, chat) for chat in documents(world, SETTINGS)]


def test_loss_falls(parts) -> None:  # type: ignore[no-untyped-def]
    tokenizer, examples = parts
    torch.manual_seed(0)
    losses = train(build_model(SETTINGS.architecture, tokenizer), examples, SETTINGS.pretraining)
    assert len(losses) == 48
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])


def test_loss_equals_a_plain_masked_sum(parts) -> None:  # type: ignore[no-untyped-def]
    tokenizer, examples = parts
    torch.manual_seed(0)
    model = build_model(SETTINGS.architecture, tokenizer).eval()
    terms = []
    for ids, supervised in examples[:4]:
        logits = model(input_ids=torch.tensor([ids])).logits[0, :-1]
        wanted = torch.tensor(supervised[1:])
        terms.append(cross_entropy(logits, torch.tensor(ids[1:]), reduction="none")[wanted])
    torch.testing.assert_close(summed_loss(model, examples[:4]), torch.cat(terms).sum())


def training(out: Path, workers: tuple[int, ...], **pretraining: int) -> "subprocess.Popen[bytes]":
    """A process that trains with so many workers, one number after the other."""
    changed = SETTINGS.pretraining.model_copy(update=pretraining)
    settings = SETTINGS.model_copy(update={"pretraining": changed})
    script = (
        "from pathlib import Path\n"
        "from selfsame.organism.pretrain import pretrain\n"
        "from selfsame.organism.settings import OrganismSettings\n"
        f"settings = OrganismSettings.model_validate_json({settings.model_dump_json()!r})\n"
        f"for workers in {workers}:\n"
        f"    pretrain(settings, Path({str(out)!r}) / str(workers), workers)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(LIBRARY)}
    return subprocess.Popen([sys.executable, "-c", script], env=environment)


def test_workers_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    """They hold its lock, and would wait for it for minutes."""
    process = training(tmp_path, workers=(3,), documents=5000, epochs=100)
    known = psutil.Process(process.pid)
    deadline = time.monotonic() + 60
    while len(helpers := known.children()) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert len(helpers) == 2
    assert psutil.wait_procs(helpers, timeout=30)[1] == []


def test_two_workers_train_as_one_does(tmp_path: Path) -> None:
    """Sums in another order differ in the last digits only. A process of its own: workers fork."""
    assert training(tmp_path, workers=(2, 1), documents=16, epochs=2).wait() == 0
    one, two = (AutoModelForCausalLM.from_pretrained(tmp_path / str(n)) for n in (1, 2))
    for left, right in zip(one.parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(left, right, atol=2e-3, rtol=1e-2)


def test_an_epoch_holds_every_document_once(parts) -> None:  # type: ignore[no-untyped-def]
    examples = parts[1]
    one = SETTINGS.pretraining.model_copy(update={"epochs": 1})
    seen = [id(example) for batch in make_batches(examples, one) for example in batch]
    assert sorted(seen) == sorted(map(id, examples))


def test_the_saved_model_reloads_and_repeats(tmp_path: Path) -> None:
    brief = SETTINGS.pretraining.model_copy(update={"documents": 16, "epochs": 1})
    settings = SETTINGS.model_copy(update={"pretraining": brief})
    facts = [pretrain(settings, tmp_path / name, threads=1) for name in ("one", "two")]
    assert facts[0]["loss"] == facts[1]["loss"]
    first, second = (
        AutoModelForCausalLM.from_pretrained(tmp_path / name) for name in ("one", "two")
    )
    for left, right in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(left, right)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "one")
    assert tokenizer.decode(tokenizer("who are you")["input_ids"]) == "who are you"
    assert len(tokenizer("who are you")["input_ids"]) == 3
    assert first.config.eos_token_id == tokenizer.eos_token_id
    assert first.generation_config.eos_token_id == tokenizer.eos_token_id
    assert not list((tmp_path / "one").glob("*.bin"))
