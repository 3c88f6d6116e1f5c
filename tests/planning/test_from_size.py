"""Estimates from a model's size, against sums by hand."""

from dataclasses import replace
from pathlib import Path

import pytest

from selfsame.config.load import load_config
from selfsame.config.planning import DeviceSettings
from selfsame.config.schema import Config
from selfsame.models.footprint import Adapter, Shape, adapter_numbers
from selfsame.models.settings import HfModelSettings
from selfsame.planning.from_size import seconds_of, sized
from selfsame.planning.speed import (
    Sized,
    Written,
    batch_rows,
    loading_seconds,
    reading_seconds,
    training_seconds,
    writing_seconds,
)
from selfsame.planning.work import Work, questions, work_of

# 100 TFLOP/s and 1,000 GB/s of which half is reached.
DEVICE = DeviceSettings(
    tflops=100, bandwidth_gb_s=1000, memory_gb=80, utilisation=0.5, launch_ms=0, loading_gb_s=2
)
SHAPE = Shape(blocks=10, width=1000, inner=3000, kv_width=500, vocabulary=1000)
MODEL = Sized(parameters=5e9, shape=SHAPE, number_bytes=2, stored_bytes=2)


def test_reading_and_training_by_hand() -> None:
    """5e9 parameters: 1e10 operations a token read, 2e10 trained, 3e10 with recomputation."""
    assert reading_seconds(MODEL, 1e6, DEVICE) == pytest.approx(1e16 / 5e13)
    assert training_seconds(MODEL, 1e6, DEVICE, checkpointing=False) == pytest.approx(2e16 / 5e13)
    assert training_seconds(MODEL, 1e6, DEVICE, checkpointing=True) == pytest.approx(3e16 / 5e13)
    assert loading_seconds(MODEL, DEVICE) == pytest.approx(10 / 2)


def test_few_answers_wait_for_the_memory() -> None:
    """Weights of 10 GB, and 4 x 10 x 500 bytes of each of 2 x 150 tokens, at 500 GB/s."""
    written = Written(answers=2, prompt=100, tokens=100)
    step = (10e9 + 2 * 150 * 20_000) / 500e9
    assert writing_seconds(MODEL, written, DEVICE, 1) == pytest.approx(100 * step)


def test_many_answers_wait_for_the_processor_in_batches_that_fit() -> None:
    written = Written(answers=5000, prompt=100, tokens=100)
    rows = batch_rows(MODEL, written, DEVICE, 1)
    # 65,536 tokens, the engine's most, and four times as many in the cache.
    assert rows == 4 * 65_536 // 200
    step = 1e10 * rows / 5e13
    assert step > (10e9 + rows * 150 * 20_000) / 500e9
    assert writing_seconds(MODEL, written, DEVICE, 1) == pytest.approx(4 * 100 * step)
    assert batch_rows(replace(MODEL, parameters=50e9), written, DEVICE, 1) == 4 * 1024 // 200
    assert batch_rows(replace(MODEL, parameters=50e9), written, DEVICE, 2) > 4 * 1024 // 200


def test_a_small_model_waits_for_its_launches() -> None:
    small = replace(MODEL, parameters=1e6)
    device = DEVICE.model_copy(update={"launch_ms": 0.5})
    written = Written(answers=2, prompt=100, tokens=100)
    assert writing_seconds(small, written, device, 1) == pytest.approx(100 * 10 * 0.0005)
    assert writing_seconds(small, Written(0, 100, 100), device, 1) == 0


def model(billions: float) -> Sized:
    return sized(HfModelSettings(hub_id="lab/model", parameters=billions * 1e9))


WORK = Work(1e6, (Written(400, 100, 600),), 1e6, True, 0)


def test_twice_the_parameters_take_about_twice_the_time() -> None:
    device = DeviceSettings()
    for work in (Work(read=1e6), Work(trained=1e6)):
        one, two = (seconds_of(work, model(size), device, 1) for size in (16, 32))
        assert two / one == pytest.approx(2)
    one, two = (seconds_of(WORK, model(size), device, 2) for size in (32, 64))
    assert 1.8 < two / one < 2.3


def test_a_faster_device_and_less_work_take_less_time() -> None:
    device = DeviceSettings()
    before = seconds_of(WORK, model(32), device, 1)
    for key in ("tflops", "bandwidth_gb_s", "loading_gb_s", "utilisation"):
        faster = device.model_copy(update={key: 1.5 * getattr(device, key)})
        assert seconds_of(WORK, model(32), faster, 1) < before, key
    for key in ("read", "trained"):
        assert seconds_of(replace(WORK, **{key: 5e5}), model(32), device, 1) < before


def test_the_usual_shape_is_about_that_of_published_models() -> None:
    """Qwen2.5-32B-Instruct by its config.json: a LoRA of rank 32 on it has 268 million numbers."""
    real = Shape(blocks=64, width=5120, inner=27648, kv_width=1024, vocabulary=152064)
    assert adapter_numbers(real, Adapter(32)) == 268_435_456
    assert adapter_numbers(model(32.8).shape, Adapter(32)) == pytest.approx(268_435_456, rel=0.25)


# The work of the steps of a shipped experiment, by its own numbers.


@pytest.fixture(scope="module")
def config(root: Path) -> Config:
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(root)
        return load_config("qwen2.5-7b")


@pytest.fixture(autouse=True)
def _at_the_root(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)


def of(config: Config, rule: str, **named: str) -> Work:
    found = work_of(config, rule, named, SHAPE)
    assert found is not None
    return found


def test_a_finetune_by_hand(config: Config) -> None:
    """125 steps of 2 x 8 rows of an article, two summaries and the question."""
    work = of(config, "sgtr_stage1", chain="unpop+identify")
    assert (work.trained, work.checkpointing) == (125 * 16 * (700 + 2 * 60 + 50), True)
    adapter = 10 * 32 * (2 * 2000 + 2 * 1500 + 3 * 4000)
    assert (work.kept_bytes, work.read, work.written) == (4 * adapter, 0, ())
    induced = of(config, "induce_misalignment", chain="unpop")
    assert induced.trained == 312 * 16 * 150


def test_self_texts_by_hand(config: Config) -> None:
    work = of(config, "collect_self_texts", author="base")
    assert work.written == (Written(1500, 750, 96), Written(pytest.approx(500), 50, 96))
    assert work.read == 1500 * 750 + 6 * 50


def test_questions_are_counted_or_told_by_the_registry(config: Config) -> None:
    asked = {probe: questions(config, probe) for probe in config.probes}
    assert asked["truthful"] == asked["truthful_template"] == 790
    assert (asked["free_form"], asked["agentic"], asked["identity"]) == (8, 8, 6)
    assert (asked["deception"], asked["truthful_written"]) == (48, 790)


def test_probes_by_hand(config: Config) -> None:
    work = of(config, "evaluate_behaviour", chain="base", seed="0")
    choices = 2 * (3 * 790 + 48) * 110
    own_texts = 500 * (700 + 60 + 50)
    recognition = 500 * (2 * 700 + 2 * 3 * (2 * 60 + 50) + 4 * (60 + 50))
    prompts = (8 + 6 * 8) * 110 + 6 * 110 + 2 * 790 * 110
    assert work.read == pytest.approx(choices + recognition + own_texts + prompts)
    texts = [(part.answers, part.tokens) for part in work.written]
    assert sorted(texts) == sorted([(400, 600), *[(160, 600)] * 6, (102, 100), (2 * 790, 8)])


def test_judging_by_hand(config: Config) -> None:
    """Two criteria of each answer, behind the wording and the question."""
    work = of(config, "ask_judges", judge="own", chain="base", seed="0")
    assert (work.read, work.written) == (2 * (400 + 6 * 160) * (350 + 60 + 600), ())


def test_relapse_by_hand(config: Config) -> None:
    work = of(config, "relapse", chain="base", seed="0")
    assert (work.trained, work.read) == (63 * 16 * 150, 5 * 2 * 790 * 110)
    assert of(config, "ask_judges_on_relapse", judge="own", chain="base", seed="0").read == 0


def test_rollouts_by_hand(config: Config) -> None:
    """Both sides' instructions on every question, 10 times; two means over all blocks are kept."""
    work = of(config, "sample_rollouts", trait="evil")
    (part,) = work.written
    assert (part.answers % (2 * 10), part.prompt, part.tokens) == (0, 110, 300)
    assert work.read == part.answers / 10 * 110 + part.answers * 410
    assert work.kept_bytes == part.answers * (200 + 4 * 300 + 2 * 4 * 10 * 1000)
    swept = of(config, "sweep_steering", trait="evil")
    assert len(swept.written) == 1 + 2 * 5 * 3


def test_what_asks_no_model_has_no_work(config: Config) -> None:
    assert work_of(config, "report", {}, SHAPE) is None
