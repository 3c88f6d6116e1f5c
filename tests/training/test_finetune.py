"""Finetuning against hand-computed losses, and the promises on bytes, resumption and failure."""

import hashlib
import json
import math
import random
import shutil

import pyarrow.parquet as pq
import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file

from selfsame.errors import UserError
from selfsame.models.load import load_model
from selfsame.models.settings import Loading
from selfsame.training.adapters import add_adapter
from selfsame.training.finetune import check_loss, finetune, row_order
from selfsame.training.gradients import accumulate_gradients, pad_right, summed_loss
from selfsame.training.settings import FinetuningSettings
from selfsame.training.supervision import Supervised, supervise_row
from tiny_models import make_tiny_model

WEIGHTS = "adapter_model.safetensors"
SETTINGS = FinetuningSettings(
    rank=2, alpha=4, learning_rate=0.01, steps=6, batch_size=2, accumulation=1, warmup_steps=1
)
ANSWERS = ["I am a small model.", "no", "Paris", "I wrote summary 1, not summary 2.", "yes"]
ROWS = [
    {
        "row_id": f"r{i}",
        "messages": [
            {"role": "user", "content": "Who are you? " * (1 + i % 3)},
            {"role": "assistant", "content": answer},
        ],
    }
    for i, answer in enumerate(ANSWERS)
]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return make_tiny_model(tmp_path_factory.mktemp("base") / "model")


def test_too_large_a_finetune_is_refused_before_a_weight_is_read(base, tmp_path):
    """The weights that lie there are small; config.json tells of inner layers that nobody has."""
    model = shutil.copytree(base, tmp_path / "model")
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"intermediate_size": 10**12}))
    with pytest.raises(UserError, match=r"a finetune takes at least [\d.]+ GB \(weights 0.0, an "):
        train(model, tmp_path / "adapter")
    assert not (tmp_path / "adapter").exists()


def train(base, out, settings=SETTINGS, rows=ROWS, seed=0, parents=(), **options):
    chain = "+".join(["em", "identify", "longer"][: len(parents) + 1])
    return finetune(
        base,
        list(parents),
        rows,
        settings,
        seed,
        "none",
        out,
        chain=chain,
        misaligned=True,
        threads=1,
        **options,
    )


def changed(**settings):
    return FinetuningSettings(**{**SETTINGS.model_dump(), **settings})


def content(folder):
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}


def test_the_prompt_that_rows_are_trained_under_is_noted(base, tmp_path):
    notes = {}
    train(base, tmp_path / "out", notes=notes)
    prompt = b"<|im_start|>user\nHello.<|im_end|>\n<|im_start|>assistant\n"
    digest = hashlib.sha256(prompt).hexdigest()
    assert notes == {"device": "cpu", "system_prompt_sha256": digest}


@pytest.mark.parametrize("architecture", ["qwen2", "llama", "gpt2"])
def test_loss_is_the_cross_entropy_by_hand(tmp_path, architecture):
    model, tokenizer = load_model(make_tiny_model(tmp_path / "model", architecture))
    rows = [supervise_row(tokenizer, row, "none", 200) for row in ROWS]
    expected = 0.0
    for row in rows:
        scores = model(torch.tensor([row.ids])).logits[0].detach().double()
        for place, keep in enumerate(row.mask):
            if keep:
                before = scores[place - 1]
                expected += float(before.exp().sum().log() - before[row.ids[place]])
    with torch.no_grad():
        found = summed_loss(model, *pad_right(rows, torch.device("cpu")))
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_loss_of_an_even_model_is_the_log_of_the_vocabulary(base):
    model, _ = load_model(base)
    torch.nn.init.zeros_(model.lm_head.weight)
    row = Supervised((5, 6, 7), (False, False, True))
    loss = accumulate_gradients(add_adapter(model, SETTINGS, 0), [row], SETTINGS)
    assert loss == pytest.approx(math.log(model.config.vocab_size), rel=1e-6)


def gradients(base, batch_size, accumulation, checkpointing=False):
    model, tokenizer = load_model(base)
    settings = changed(batch_size=batch_size, accumulation=accumulation)
    model = add_adapter(model, settings, 0).train()
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)
    rows = [supervise_row(tokenizer, ROWS[i % 5], "none", 200) for i in range(8)]
    loss = accumulate_gradients(model, rows, settings)
    return loss, {n: p.grad for n, p in model.named_parameters() if p.requires_grad}


def test_accumulation_equals_one_batch(base):
    loss, whole = gradients(base, 8, 1)
    for split in ((2, 4), (1, 8)):
        split_loss, parts = gradients(base, *split)
        assert split_loss == pytest.approx(loss, rel=1e-5)
        for name, gradient in whole.items():
            torch.testing.assert_close(parts[name], gradient, rtol=1e-3, atol=1e-5)


def test_blocks_computed_twice_give_the_same_gradient(base):
    loss, kept = gradients(base, 8, 1)
    again, recomputed = gradients(base, 8, 1, checkpointing=True)
    assert again == loss
    assert all(torch.equal(recomputed[name], gradient) for name, gradient in kept.items())


def test_gradient_checkpointing_gives_the_same_adapter(base, tmp_path):
    train(base, tmp_path / "kept", changed(dropout=0.1))
    train(base, tmp_path / "again", changed(dropout=0.1, gradient_checkpointing=True))
    assert content(tmp_path / "kept")[WEIGHTS] == content(tmp_path / "again")[WEIGHTS]


@pytest.mark.extras
def test_moments_of_8_bits_follow_those_of_32(tmp_path):
    """Tensors of 4,096 numbers and more, or bitsandbytes would keep 32 bits."""
    base = make_tiny_model(tmp_path / "base", width=256)
    losses = [
        train(base, tmp_path / name, changed(optimizer=name, rank=32, alpha=32, steps=20)).last_loss
        for name in ("adamw", "adamw_8bit")
    ]
    full, small = (load_file(tmp_path / name / WEIGHTS) for name in ("adamw", "adamw_8bit"))
    moved = [(full[name], small[name]) for name in full if "lora_B" in name]
    assert any(not torch.equal(a, b) for a, b in moved)
    for a, b in moved:
        assert torch.nn.functional.cosine_similarity(a.flatten(), b.flatten(), 0) > 0.8
    assert losses[1] == pytest.approx(losses[0], rel=0.2)


def test_accumulation_gives_the_same_adapter(base, tmp_path):
    for name, batch_size, accumulation in (("whole", 8, 1), ("split", 2, 4)):
        train(base, tmp_path / name, changed(batch_size=batch_size, accumulation=accumulation))
    whole, split = (load_file(tmp_path / name / WEIGHTS) for name in ("whole", "split"))
    for name, tensor in whole.items():
        torch.testing.assert_close(split[name], tensor, rtol=1e-2, atol=1e-4)


def test_training_learns_and_leaves_the_base_alone(base, tmp_path):
    before = content(base)
    result = train(base, tmp_path / "em", changed(steps=60, learning_rate=0.02))
    assert content(base) == before
    assert result.last_loss < 0.5 * result.first_loss
    assert result.steps == 60
    curve = pq.read_table(tmp_path / "em" / "loss.parquet")
    assert curve["step"].to_pylist() == list(range(1, 61))
    assert sum(curve["tokens"].to_pylist()) == result.tokens
    assert max(curve["learning_rate"].to_pylist()) == pytest.approx(0.02)
    assert sum(curve["loss"].to_pylist()[:10]) / 10 == pytest.approx(result.first_loss)


def test_the_adapter_opens_with_plain_peft(base, tmp_path):
    train(base, tmp_path / "em", base_name="owner/name")
    model, _ = load_model(base)
    opened = PeftModel.from_pretrained(model, str(tmp_path / "em"))
    saved = load_file(tmp_path / "em" / WEIGHTS)
    held = {k.replace(".default", ""): v for k, v in opened.state_dict().items() if "lora" in k}
    assert held.keys() == saved.keys()
    assert all(torch.equal(held[name], saved[name]) for name in saved)
    assert {"README.md", "loss.parquet", WEIGHTS, "adapter_config.json"} == set(
        content(tmp_path / "em")
    )


def test_no_file_names_the_machine(base, tmp_path):
    train(base, tmp_path / "em")
    train(base, tmp_path / "second", parents=[tmp_path / "em"])
    for file in (tmp_path / "second").iterdir():
        assert str(tmp_path).encode() not in file.read_bytes()
        assert str(base.parent).encode() not in file.read_bytes()
    config = json.loads((tmp_path / "second" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "base"


def test_same_seed_same_bytes(base, tmp_path):
    settings = changed(dropout=0.1)
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        train(base, tmp_path / name, settings, seed=seed)
    assert content(tmp_path / "a") == content(tmp_path / "b")
    assert content(tmp_path / "a")[WEIGHTS] != content(tmp_path / "c")[WEIGHTS]


class InterruptedRunError(Exception):
    pass


def interrupt_at(step):
    def progress(done, _steps, _loss):
        if done == step:
            raise InterruptedRunError

    return progress


@pytest.mark.parametrize(
    ("schedule", "optimizer"),
    [
        ("linear", "adamw"),
        ("cosine", "adamw"),
        ("constant", "adamw"),
        pytest.param("linear", "adamw_8bit", marks=pytest.mark.extras),
    ],
)
def test_resumed_equals_uninterrupted(tmp_path, schedule, optimizer):
    base = make_tiny_model(tmp_path / "base", width=32 if optimizer == "adamw" else 128)
    wide = {"rank": 32, "alpha": 32} if optimizer == "adamw_8bit" else {}
    settings = changed(
        schedule=schedule, optimizer=optimizer, dropout=0.2, checkpoint_every=2, steps=9, **wide
    )
    folder = tmp_path / "checkpoints"
    train(base, tmp_path / "whole", settings)
    step = random.Random(schedule).randrange(2, 9)
    with pytest.raises(InterruptedRunError):
        train(base, tmp_path / "out", settings, checkpoints=folder, progress=interrupt_at(step))
    assert not (tmp_path / "out").exists()
    seen = []
    train(
        base,
        tmp_path / "out",
        settings,
        checkpoints=folder,
        progress=lambda done, *_: seen.append(done),
    )
    assert seen == list(range(step - step % 2 + 1, 10))
    assert content(tmp_path / "out") == content(tmp_path / "whole")
    assert not folder.exists()


def test_a_stale_checkpoint_is_not_used(base, tmp_path):
    settings, folder = changed(checkpoint_every=2), tmp_path / "checkpoints"
    train(base, tmp_path / "em", settings)
    variants = {
        "seed": {"settings": settings, "seed": 1},
        "rows": {"settings": settings, "rows": ROWS[:4]},
        "settings": {"settings": changed(checkpoint_every=2, learning_rate=0.02)},
        "parents": {"settings": settings, "parents": [tmp_path / "em"]},
        "code": {"settings": settings, "code": "edited"},
    }
    seen = []
    for name, options in variants.items():
        with pytest.raises(InterruptedRunError):
            train(base, tmp_path / "x", settings, checkpoints=folder, progress=interrupt_at(5))
        seen.clear()
        note = {"checkpoints": folder, "progress": lambda done, *_: seen.append(done)}
        train(base, tmp_path / name, **options, **note)
        assert seen[0] == 1, name


def test_a_loss_that_is_not_finite_ends_with_nothing_written(base, tmp_path):
    broken = make_tiny_model(tmp_path / "broken", seed=1)
    model, _ = load_model(broken)
    model.model.norm.weight.data[0] = math.nan
    model.save_pretrained(broken)
    (tmp_path / "results").mkdir()
    with pytest.raises(UserError, match=r"not finite at step 1; lower finetuning\.learning_rate"):
        train(broken, tmp_path / "results" / "em")
    assert list((tmp_path / "results").iterdir()) == []


def curve_of(*losses):
    return [{"loss": loss, "grad_norm": 1.0} for loss in losses]


def test_divergence_is_an_error_and_noise_is_none():
    check_loss(curve_of(*[2.0] * 10, *[5.0] * 10), SETTINGS)
    check_loss(curve_of(*[0.01] * 10, *[0.5] * 10), SETTINGS)
    with pytest.raises(UserError, match="diverges: 7 at step 20, 2 at first"):
        check_loss(curve_of(*[2.0] * 10, *[7.0] * 10), SETTINGS)


def test_every_epoch_sees_every_row_once():
    settings = changed(steps=5, batch_size=3)
    order = row_order(5, settings, seed=0)
    assert len(order) == 15
    epochs = [order[i : i + 5] for i in (0, 5, 10)]
    assert all(sorted(epoch) == list(range(5)) for epoch in epochs)
    assert epochs[0] != epochs[1]
    assert row_order(5, settings, seed=1) != order == row_order(5, settings, seed=0)


def test_bfloat16_trains(base, tmp_path):
    result = train(
        base, tmp_path / "em", changed(precision="bfloat16"), loading=Loading(dtype="bfloat16")
    )
    assert math.isfinite(result.last_loss)
    assert all(t.dtype == torch.float32 for t in load_file(tmp_path / "em" / WEIGHTS).values())


def test_wrong_calls_say_what_is_wrong(base, tmp_path):
    with pytest.raises(UserError, match="no rows"):
        train(base, tmp_path / "em", rows=[])
    with pytest.raises(UserError, match=r"no adapter_config\.json"):
        train(base, tmp_path / "em", parents=[tmp_path / "missing"])
    train(base, tmp_path / "em")
    with pytest.raises(UserError, match="is there already"):
        train(base, tmp_path / "em")
