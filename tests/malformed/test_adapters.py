"""Malformed adapters, and adapters of another base: the step that puts one on ends in one line."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from made_once import made_once
from malformed.workplace import Ended, Workplace, stepped, tells
from selfsame.config import specs
from selfsame.digests import MANIFEST
from selfsame.models.lineage import TRAINED_ON
from selfsame.models.load import load_model
from selfsame.training.adapters import add_adapter
from selfsame.training.settings import FinetuningSettings
from tiny_models import make_tiny_model

Harm = Callable[[Path], object]
WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
AGAIN = "remove its folder and finetune it again"
OTHER = "it is of another base"


class Chain:
    """The steps up to an adapter on the base, in this folder, and what is asked of the state."""

    def __init__(self, folder: Path, workplace: Workplace) -> None:
        self.folder, self.config = folder, workplace.load()

    def step(self, script: str, name: str, spec: dict[str, Any], **inputs: str) -> Ended:
        """Run a step on the outputs of others, by their names."""
        given = {role: [self.folder / other / MANIFEST] for role, other in inputs.items()}
        device = {"device": "cpu"} if "device" in spec else {}
        return stepped(script, spec | device, self.folder / name, **given)

    def make(self) -> None:
        """The base, the data, the prompts, and the adapter of the stage em."""
        config, known = self.config, {"data": "data", "self_texts": "texts"}
        made = [
            self.step("base_model", "base", specs.base_model(config)),
            self.step("prepare_data", "data", specs.prepare_data(config)),
            self.step("build_pairs", "rows", specs.build_pairs(config, "em", 0), data="data"),
            self.own_texts(),
            self.step("build_probe", "prompts", specs.build_probe(config, "facts"), **known),
            self.finetuned(),
        ]
        assert [step.status for step in made] == [0] * len(made), made

    def own_texts(self) -> Ended:
        """What the base writes itself."""
        spec = specs.collect_self_texts(self.config, "base")
        return self.step("collect_self_texts", "texts", spec, base="base", data="data")

    def finetuned(self) -> Ended:
        """The adapter."""
        spec = specs.finetune(self.config, "em", 0)
        return self.step("finetune", "adapter", spec, base="base", dataset="rows")

    def asked(self) -> Ended:
        """`evaluate_behaviour`, as the workflow runs it."""
        spec = specs.evaluate_behaviour(self.config, "em", 0)
        inputs = {"base": "base", "adapters": "adapter", "prompts": "prompts"}
        return self.step("evaluate_behaviour", "samples", spec, **inputs)


@pytest.fixture
def chain(workplace: Workplace, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """A copy of a sound chain."""
    made = made_once(tmp_path_factory, "sound_chain", lambda path: Chain(path, workplace).make())
    return Chain(Path(shutil.copytree(made, tmp_path / "chain")), workplace)


def config(**keys: Any) -> Harm:
    """Other values in adapter_config.json; None takes a key away."""

    def harm(adapter: Path) -> None:
        file = adapter / CONFIG
        told = json.loads(file.read_text()) | keys
        kept = {key: value for key, value in told.items() if value is not None}
        file.write_text(json.dumps(kept))

    return harm


def tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> Harm:
    """Other weights."""

    def harm(adapter: Path) -> None:
        found = load_file(adapter / WEIGHTS)
        change(found)
        save_file(found, adapter / WEIGHTS)

    return harm


def of_base(**shape: Any) -> Harm:
    """The adapter of another model, of the same settings."""

    def harm(adapter: Path) -> None:
        shutil.rmtree(adapter)
        model, _ = load_model(make_tiny_model(adapter.parent / "other", **shape))
        add_adapter(model, FinetuningSettings(rank=2), 0).save_pretrained(str(adapter))
        shutil.rmtree(adapter.parent / "other")
        (adapter / MANIFEST).write_text('{"outputs": {}}')

    return harm


def cut(adapter: Path) -> None:
    """The last bytes of the weights are missing."""
    file = adapter / WEIGHTS
    file.write_bytes(file.read_bytes()[:-100])


def pickled(adapter: Path) -> None:
    """Weights as PEFT saved them once."""
    (adapter / WEIGHTS).rename(adapter / "adapter_model.bin")


def renamed(found: dict[str, torch.Tensor]) -> None:
    for name in [name for name in found if "q_proj" in name]:
        found[name.replace("q_proj", "query")] = found.pop(name)


def emptied(found: dict[str, torch.Tensor]) -> None:
    for name in [name for name in found if "layers.1." in name]:
        del found[name]


ADAPTERS: list[tuple[str, Harm, tuple[str, ...]]] = [
    (
        "of a wider base",
        of_base(width=64),
        ("down_proj.lora_A.weight is (2, 128), not (2, 64)", OTHER, AGAIN),
    ),
    ("of a deeper base", of_base(layers=3), ("has no place for ", "layers.2.", OTHER)),
    ("of another architecture", of_base(architecture="gpt2"), ("has no place for ", "h.0.", OTHER)),
    ("of other modules", tensors(renamed), ("has no place for ", "query", OTHER)),
    ("cut short", cut, (WEIGHTS, "cannot be read", AGAIN)),
    ("pickled", pickled, (f"no {WEIGHTS}", "as PEFT saves it")),
    ("without config", lambda path: (path / CONFIG).unlink(), (f"no {CONFIG}", "as PEFT saves it")),
    (
        "with a config that is no JSON",
        lambda path: (path / CONFIG).write_text("{"),
        (f"{CONFIG}: not valid JSON",),
    ),
    ("of rank 0", config(r=0), (CONFIG, "r, the rank, must be a whole number from 1", AGAIN)),
    ("of another rank", config(r=3), ("lora_A.weight is (2, ", "not (3, ", "damaged", AGAIN)),
    ("without a rank", config(r=None), (CONFIG, "r, the rank, must be a whole number", AGAIN)),
    ("without modules", config(target_modules=None), (CONFIG, "target_modules must name", AGAIN)),
    ("of modules nowhere", config(target_modules=["query"]), (CONFIG, "PEFT cannot use it", AGAIN)),
    ("of another kind", config(peft_type="IA3"), (CONFIG, "peft_type must be LORA", AGAIN)),
    ("without some weights", tensors(emptied), (WEIGHTS, "has no ", "layers.1.", AGAIN)),
    ("without weights", tensors(dict.clear), (WEIGHTS, "has no ", "lora_A", AGAIN)),
]


@pytest.mark.parametrize("case", ADAPTERS, ids=[case[0] for case in ADAPTERS])
def test_a_malformed_adapter(chain: Chain, case: tuple[str, Harm, tuple[str, ...]]) -> None:
    _, harm, says = case
    harm(chain.folder / "adapter")
    assert tells(chain.asked().line, "error: ", str(chain.folder / "adapter"), *says)


def test_an_adapter_of_another_base_of_the_same_shape(chain: Chain, workplace: Workplace) -> None:
    """It would fit, and mean nothing."""
    other = make_tiny_model(workplace.folder / "other", seed=1)
    workplace.document["model"]["path"] = str(other)
    chain.config = workplace.load()
    base = chain.folder / "base"
    shutil.rmtree(base)
    assert chain.step("base_model", "base", specs.base_model(chain.config)).status == 0
    line = chain.asked().line
    assert tells(line, str(chain.folder / "adapter"), "was trained on another base model", AGAIN)


def test_an_adapter_of_a_later_place_in_a_chain(chain: Chain) -> None:
    """It was trained on this base with a stage before it, and is put on the bare one."""
    file = chain.folder / "adapter" / MANIFEST
    told = json.loads(file.read_text())
    assert len(told[TRAINED_ON]) == 1
    file.write_text(json.dumps(told | {TRAINED_ON: [*told[TRAINED_ON], "0" * 64]}))
    assert tells(chain.asked().line, "was trained on other stages than it is put on", AGAIN)


def test_a_sound_adapter_passes(chain: Chain) -> None:
    assert chain.asked().status == 0
    assert (chain.folder / "samples" / "samples.parquet").is_file()
