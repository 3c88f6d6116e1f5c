"""What is reserved for a job: the organism's defaults, and real checkpoints of other models."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from selfsame.config import specs
from selfsame.config.chains import finetuned
from selfsame.config.load import load_config
from selfsame.config.references import RULES_WITH_RESOURCES
from selfsame.config.resources import (
    WORK,
    Needs,
    Size,
    assumption,
    needs,
    organism_parameters,
    size_of,
)
from selfsame.config.schema import Config, OrganismModel
from selfsame.models.footprint import SAMPLED_BATCH_BYTES, TRAINED_TOKEN_BYTES
from selfsame.models.settings import HfModelSettings
from selfsame.organism.documents import vocabulary
from selfsame.organism.pretrain import build_model
from selfsame.organism.tokenizer import build_tokenizer
from selfsame.organism.world import build_world
from selfsame.persona.footprint import Amount, vectors_mb
from tiny_models import make_tiny_model

# Prints how much memory each piece of work adds to what the loaded model has, in bytes per layer
# and unit of width (and token, in training). Each is a process of its own, after the imports.
PEAK = """
import json, os, re
from transformers import Qwen2Config, Qwen2ForCausalLM
from selfsame.sampling.choices import choice_logprobs
from selfsame.training.adapters import add_adapter
from selfsame.training.gradients import accumulate_gradients
from selfsame.training.settings import FinetuningSettings
from selfsame.training.supervision import Supervised

layers, width, rows, length = 8, 512, 2, 384

def highest():  # ru_maxrss would start from what the test's own process has
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])

def finetune(model):
    model = add_adapter(model, FinetuningSettings(), 0).train()
    row = Supervised((5,) * length, (False,) * (length - 32) + (True,) * 32)
    accumulate_gradients(model, [row] * rows, FinetuningSettings(batch_size=rows))
    return rows * length

def sample(model):
    choice_logprobs(model.eval(), [[5, n] + [7] * 148 for n in range(60)], [[1, 2]] * 60)
    return 1

for work in (finetune, sample):
    if os.fork():
        os.wait()
        continue
    model = Qwen2ForCausalLM(Qwen2Config(
        vocab_size=8192, hidden_size=width, intermediate_size=3 * width, num_hidden_layers=layers,
        num_attention_heads=8, num_key_value_heads=8))
    start = highest()
    units = work(model)
    added = (highest() - start) * 1024
    print(json.dumps([work.__name__, added / (layers * width * units)]), flush=True)
    os._exit(0)
"""
HF = """
experiment: other
model: {{kind: hf, {source}}}
texts:
  articles: {{file: {file}}}
  rivals: {{file: {file}}}
stages:
  em: {{data: {{file: {file}}}}}
resources: {resources}
"""
Load = Callable[..., Config]


@pytest.fixture
def load_hf(root: Path, tmp_path: Path) -> Load:
    """The default run on a Hugging Face model; data files are named, not read."""

    def load(source: str, resources: str = "{}") -> Config:
        file = tmp_path / "rows.jsonl"
        file.touch()
        path = tmp_path / "other.yaml"
        path.write_text(HF.format(source=source, file=file, resources=resources))
        return load_config(path, folder=root / "config")

    return load


def test_the_organism_gets_what_it_always_got(default_config: Config) -> None:
    found = {work: needs(default_config, work) for work in WORK}
    sampling = Needs(threads=1, mem_mb=4000, runtime=120, gpu=0)
    assert found == {
        "base_model": Needs(threads=2, mem_mb=4000, runtime=60, gpu=0),
        "collect_self_texts": sampling,
        "finetune": replace(sampling, runtime=240),
        "sample": sampling,
        "persona": sampling,
        "judge": replace(sampling, runtime=240),
        "vectors": Needs(threads=1, mem_mb=2000, runtime=60, gpu=0),
        "tables": replace(sampling, runtime=60),
        "light": Needs(threads=1, mem_mb=2000, runtime=30, gpu=0),
    }
    assert assumption(default_config) is None


def test_every_kind_of_work_can_be_given_resources() -> None:
    assert set(WORK) == set(RULES_WITH_RESOURCES)


def test_the_organism_has_the_parameters_that_torch_counts(default_config: Config) -> None:
    model = default_config.model
    assert isinstance(model, OrganismModel)
    tokenizer = build_tokenizer(vocabulary(build_world(model.world)))
    built = build_model(model.architecture, tokenizer)
    assert organism_parameters(model) == built.num_parameters()


@pytest.mark.parametrize("architecture", ["qwen2", "llama", "gpt2"])
def test_a_checkpoint_has_the_parameters_that_torch_counts(
    tmp_path: Path, architecture: Any
) -> None:
    from transformers import AutoModelForCausalLM

    path = make_tiny_model(tmp_path / "model", architecture)
    size = size_of(HfModelSettings(path=path))
    model = AutoModelForCausalLM.from_pretrained(path)
    assert size.parameters == model.num_parameters()
    assert size.stored_bytes == pytest.approx(4, rel=0.2)  # the header counts, here
    assert not size.assumed


def sharded(path: Path) -> Path:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(make_tiny_model(path / "whole")).bfloat16()
    model.save_pretrained(path / "parts", max_shard_size="20KB")
    assert len(list((path / "parts").glob("*.safetensors"))) > 2
    return path / "parts"


def test_a_checkpoint_in_parts_is_counted_whole_or_not_at_all(tmp_path: Path) -> None:
    parts = sharded(tmp_path)
    whole = size_of(HfModelSettings(path=tmp_path / "whole"))
    # Some repositories hold a second copy of the weights beside the one that is loaded.
    (parts / "consolidated.safetensors").write_bytes(b"not looked at")
    found = size_of(HfModelSettings(path=parts))
    assert found.parameters == whole.parameters
    assert found.stored_bytes == pytest.approx(2, rel=0.4)
    size_of.cache_clear()
    sorted(parts.glob("model-*.safetensors"))[1].unlink()
    assert size_of(HfModelSettings(path=parts)).assumed


@pytest.mark.parametrize("content", [b"", b"\x08\0\0\0\0\0\0\0{broken}", b"\xff" * 64])
def test_a_broken_checkpoint_is_left_to_the_step_that_loads_it(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    assert size_of(HfModelSettings(path=tmp_path)).assumed


def test_a_hub_model_is_counted_where_its_download_lies(root: Path, tmp_path: Path) -> None:
    """In a process of its own: the hub's library reads where its cache lies when it is loaded."""
    repository = tmp_path / "models--owner--small"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("c0ffee")
    path = make_tiny_model(repository / "snapshots" / "c0ffee")
    code = (
        "from selfsame.config.resources import size_of\n"
        "from selfsame.models.settings import HfModelSettings\n"
        "import json, sys\n"
        "for name in ('owner/small', 'owner/large'):\n"
        "    size = size_of(HfModelSettings(hub_id=name))\n"
        "    print(json.dumps([size.parameters, size.assumed]))\n"
        "print(json.dumps('torch' in sys.modules))\n"
    )
    environment = {"PYTHONPATH": str(root / "workflow_scripts"), "HF_HUB_CACHE": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=True,
    )
    here, elsewhere, has_torch = map(json.loads, done.stdout.splitlines())
    assert here == [size_of(HfModelSettings(path=path)).parameters, False]
    assert elsewhere == [8e9, True]
    assert not has_torch


def test_of_a_model_nobody_knows_a_size_is_assumed_and_said(load_hf: Load) -> None:
    config = load_hf("hub_id: owner/surely-not-downloaded")
    line = assumption(config)
    assert line is not None
    assert "8 billion" in line
    assert "model.parameters" in line
    assert "\n" not in line
    told = load_hf("hub_id: owner/surely-not-downloaded, parameters: 8e9")
    assert assumption(told) is None
    assert needs(told, "finetune") == needs(config, "finetune")


def test_a_large_model_by_hand(load_hf: Load) -> None:
    """8 billion parameters in bfloat16: 16 GB of files on their way to one GPU."""
    config = load_hf("hub_id: owner/name, parameters: 8e9")
    assert needs(config, "sample") == Needs(
        threads=2, mem_mb=3000 + 16_000, runtime=120 + 80, gpu=1
    )
    assert needs(config, "finetune") == Needs(
        threads=2, mem_mb=3000 + 16_000, runtime=240 + 160, gpu=1
    )
    assert needs(config, "base_model").gpu == needs(config, "tables").gpu == 0
    assert needs(config, "base_model").runtime == 60 + 16_000 // 1200


def test_on_a_processor_weights_and_activations_are_in_the_jobs_memory(load_hf: Load) -> None:
    """500 million float32 weights; the default run's largest batch is 16 rows of 256 tokens."""
    off = "{finetune: {gpu: 0}, sample: {gpu: 0}}"
    config = load_hf("hub_id: owner/name, parameters: 5e8", off)
    width_times_layers = Size(5e8, 4).layers_x_width
    finetune, sample = needs(config, "finetune"), needs(config, "sample")
    # 14 blocks of width 1747, with 1024 of keys and 4659 within; the largest adapter there.
    activations = 14 * 1747 * TRAINED_TOKEN_BYTES * 16 * 256
    ranks = [
        f.rank * (7 if f.modules == "all-linear" else len(f.modules)) * len(f.layers or range(14))
        for f in (stage.finetuning for stage in config.stages.values())
    ]
    adapter = 16 * max(ranks) / 7 * (2 * 2 * 1747 + 2 * (1747 + 1024) + 3 * (1747 + 4659))
    held = (activations + adapter) / 1e6
    assert finetune.mem_mb == pytest.approx(3000 + 2000 + held, abs=1)
    assert sample.mem_mb == pytest.approx(
        3000 + 2000 + width_times_layers * SAMPLED_BATCH_BYTES / 1e6, abs=1
    )
    assert (finetune.threads, finetune.gpu, finetune.runtime) == (4, 0, 240 + 200)


def test_vectors_are_given_memory_for_what_they_hold_of_a_block(load_hf: Load, root: Path) -> None:
    """32 billion parameters: 54.6 blocks of width 6988. Far more rollouts need more."""
    config = load_hf("hub_id: owner/name, parameters: 32e9")
    assert config.persona is not None
    assert needs(config, "vectors") == Needs(threads=1, mem_mb=2000, runtime=60 + 64, gpu=0)
    many = config.persona.extraction.model_copy(update={"rollouts": 5000})
    persona = config.persona.model_copy(update={"extraction": many})
    found = needs(config.model_copy(update={"persona": persona}), "vectors")
    traits = [yaml.safe_load(Path(file).read_text()) for file in config.persona.traits]
    asked = [
        len(t["positive"] + t["negative"]) * len(t["extraction_questions"]) * 5000 for t in traits
    ]
    states = len(finetuned(config)) * len(config.seeds)
    amount = Amount(len(traits), max(asked), states, config.persona.nulls.draws)
    assert found.mem_mb == pytest.approx(vectors_mb(54.6, 6988, amount), rel=1e-3)
    assert found.mem_mb > 48 * 6988 * max(asked) / 1e6


@pytest.mark.parametrize("work", sorted(WORK))
@pytest.mark.parametrize("gpu", [0, 1])
def test_a_larger_model_never_gets_less(load_hf: Load, work: str, gpu: int) -> None:
    before = None
    for parameters in ("1e6", "1e8", "1e9", "7e9", "7e10"):
        given = f"{{{work}: {{gpu: {gpu}}}}}"
        found = needs(load_hf(f"hub_id: owner/name, parameters: {parameters}", given), work)
        if before is not None:
            assert found.mem_mb >= before.mem_mb
            assert found.runtime >= before.runtime
            assert found.threads >= before.threads
        before = found


def test_the_config_comes_first(load_hf: Load) -> None:
    given = "{sample: {threads: 7, mem_mb: 123, runtime: 5, gpu: 0}, persona: {mem_mb: 99}}"
    config = load_hf("hub_id: owner/name, parameters: 8e9", given)
    assert needs(config, "sample") == Needs(threads=7, mem_mb=123, runtime=5, gpu=0)
    assert needs(config, "persona") == replace(needs(config, "collect_self_texts"), mem_mb=99)


def test_no_step_knows_what_is_reserved(load_hf: Load) -> None:
    plain = load_hf("hub_id: owner/name")
    told = load_hf("hub_id: owner/name, parameters: 7e10", "{light: {mem_mb: 9}}")
    assert needs(told, "sample") != needs(plain, "sample")
    assert specs.base_model(told) == specs.base_model(plain)
    assert specs.finetune(told, "em", 0) == specs.finetune(plain, "em", 0)
    assert specs.report(told) == specs.report(plain)


@pytest.mark.parametrize(
    ("parameters", "layers", "width"),
    [
        (0.494e9, 24, 896),  # Qwen2.5 0.5B
        (1.54e9, 28, 1536),
        (6.74e9, 32, 4096),  # Llama 2 7B
        (7.62e9, 28, 3584),
        (8.03e9, 32, 4096),  # Llama 3 8B
        (70.6e9, 80, 8192),
    ],
)
def test_the_shape_is_guessed_well_enough(parameters: float, layers: int, width: int) -> None:
    size = Size(parameters, 2)
    assert 0.95 < size.layers_x_width / (layers * width) < 1.5
    assert 1 < size.width / width < 2


@pytest.fixture(scope="module")
def peaks(root: Path) -> dict[str, float]:
    """What training and sampling really take, in the units of the bounds."""
    environment = {"PYTHONPATH": str(root / "workflow_scripts"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", PEAK]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    return dict(json.loads(line) for line in done.stdout.splitlines())


@pytest.mark.parametrize(
    ("work", "bound"), [("finetune", TRAINED_TOKEN_BYTES), ("sample", SAMPLED_BATCH_BYTES)]
)
def test_the_bounds_on_activations_hold_in_a_real_run(
    peaks: dict[str, float], work: str, bound: int
) -> None:
    assert 0.4 * bound < peaks[work] < bound
