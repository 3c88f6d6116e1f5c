"""Malformed model directories: what the small files tell is known before any job, the rest at once.

The rest is told by the first job, which tries the model out; no weight has been read by then.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from malformed.workplace import Workplace, stepped, tells
from selfsame.config import specs
from selfsame.errors import UserError
from selfsame.models.load import load_model
from tiny_models import make_tiny_tokenizer

Harm = Callable[[Path], object]
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"


def config(**keys: Any) -> Harm:
    """Other values in config.json."""

    def harm(folder: Path) -> None:
        file = folder / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | keys))

    return harm


def text(name: str, content: str) -> Harm:
    """Another content of a file."""
    return lambda folder: (folder / name).write_text(content)


def without(*names: str) -> Harm:
    """Without some files."""

    def harm(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return harm


def pickled(folder: Path) -> None:
    """Weights as pickle alone; reading them would leave a mark."""

    class Mark:
        def __reduce__(self) -> Any:
            return (Path.touch, (folder / "ran",))

    torch.save({"a": Mark()}, folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()


def sharded(folder: Path) -> None:
    """The same weights in several files."""
    model = AutoModelForCausalLM.from_pretrained(folder)
    (folder / WEIGHTS).unlink()
    model.save_pretrained(folder, max_shard_size="40KB")
    assert len(list(folder.glob("*.safetensors"))) > 2


def a_shard_less(folder: Path) -> None:
    sharded(folder)
    sorted(folder.glob("*.safetensors"))[1].unlink()


def indexed(index: Any) -> Harm:
    """Shards with another index."""

    def harm(folder: Path) -> None:
        sharded(folder)
        (folder / INDEX).write_text(json.dumps(index))

    return harm


def cut(folder: Path) -> None:
    """The last bytes of the weights are missing."""
    file = folder / WEIGHTS
    file.write_bytes(file.read_bytes()[:-100])


def custom_code(folder: Path) -> None:
    """An architecture of its own, whose code would leave a mark."""
    (folder / "other.py").write_text("import pathlib; pathlib.Path('ran').touch()")
    config(model_type="other", auto_map={"AutoConfig": "other.C", "AutoModel": "other.M"})(folder)


BEFORE: list[tuple[str, Harm, tuple[str, ...]]] = [
    ("no config", without("config.json"), ("no config.json", "Hugging Face model directory")),
    (
        "config that is no JSON",
        text("config.json", "{"),
        ("not valid JSON", "fetch the file again"),
    ),
    ("config that is a list", text("config.json", "[]"), ("must hold a JSON object", "fetch")),
    ("no weights", without(WEIGHTS), ("no *.safetensors weights", "copy them there or mend")),
    ("pickled weights", pickled, ("pickle files, which can run code", "save_pretrained")),
    ("no tokenizer", without("tokenizer.json"), ("no tokenizer", "tokenizer.save_pretrained")),
    ("no template", without("chat_template.jinja"), ("no chat template", "instruction-tuned")),
    ("a shard less", a_shard_less, ("weights cannot be read", "00002", "fetch them again")),
    ("no shards", indexed({"weight_map": {}}), ("has no weight_map", "fetch them again")),
    ("an index that is a list", indexed([]), ("has no weight_map", "fetch them again")),
    (
        "a shard elsewhere",
        indexed({"weight_map": {"a": "../../model.safetensors"}}),
        ("names what is no file beside it", "fetch them again"),
    ),
    ("weights cut short", cut, ("weights cannot be read", "fetch them again")),
    ("no weights inside", text(WEIGHTS, "version https://git-lfs"), ("weights cannot be read",)),
    ("custom code", custom_code, ("custom code (auto_map)", "model.trust_remote_code: true")),
    (
        "attention from elsewhere",
        config(_attn_implementation="owner/kernel"),
        ("custom code (_attn_implementation)", "model.trust_remote_code: true"),
    ),
    (
        "an adapter",
        text("adapter_config.json", '{"base_model_name_or_path": "owner/model"}'),
        ("adapter_config.json makes it an adapter", "merge it into its base"),
    ),
]


@pytest.fixture
def model(workplace: Workplace, tiny: Path) -> Path:
    """A copy of the sound model, which the config names."""
    workplace.document["model"]["path"] = "own"
    return Path(shutil.copytree(tiny, workplace.folder / "own"))


@pytest.mark.parametrize("case", BEFORE, ids=[case[0] for case in BEFORE])
def test_told_before_any_job(
    workplace: Workplace, model: Path, case: tuple[str, Harm, tuple[str, ...]]
) -> None:
    _, harm, says = case
    harm(model)
    assert tells(workplace.check().line, "model.path: own", *says)
    assert not list(workplace.folder.rglob("ran"))


def test_a_judge_that_runs_here_is_told_of_like_the_model(
    workplace: Workplace, model: Path
) -> None:
    pickled(model)
    workplace.document["model"] = {"kind": "hf", "hub_id": "owner/name"}
    workplace.document["judges"]["grader"] = {"kind": "local", "path": "own"}
    assert tells(workplace.check().line, "judges.grader.path: own: weights are pickle files")


def dropped(folder: Path) -> None:
    """A tensor less; transformers would draw it at random."""
    tensors = load_file(folder / WEIGHTS)
    del tensors["model.layers.1.mlp.down_proj.weight"]
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


def longer_vocabulary(folder: Path) -> None:
    """A tokenizer with more tokens than the model has embeddings."""
    tokenizer = make_tiny_tokenizer()
    tokenizer.add_tokens(["<|im_begin|>"])
    tokenizer.chat_template = "{{- '<|im_begin|>' + messages[0].content }}"
    tokenizer.save_pretrained(folder)


def template(body: str) -> Harm:
    return text("chat_template.jinja", body)


LOOPS = "{%- for a in range(99999) %}{%- for b in range(99999) %}{%- endfor %}{%- endfor %}"
AGAIN = "fetch it again, update transformers, or choose another model"
MEND = "mend chat_template.jinja or choose another model"
AT_ONCE: list[tuple[str, Harm, tuple[str, ...]]] = [
    (
        "an unknown architecture",
        config(model_type="foo"),
        ("its model cannot be used", "`foo`", AGAIN),
    ),
    ("no architecture", text("config.json", "{}"), ("its model cannot be used", AGAIN)),
    ("another architecture", config(model_type="bert"), ("its files have no weights ", "fetch or")),
    ("a word for a number", config(num_hidden_layers="two"), ("its model cannot be used", AGAIN)),
    ("another width", config(hidden_size=64), ("(340, 32) in the files and (340, 64) by config",)),
    ("a tensor less", dropped, ("its files have no weights model.layers.1.mlp.down_proj.weight",)),
    (
        "a broken tokenizer",
        text("tokenizer.json", "{}"),
        ("its tokenizer cannot be used", "save it"),
    ),
    ("a longer vocabulary", longer_vocabulary, ("has a token 340, the model has 340 embeddings",)),
    (
        "a template that is none",
        template("{% for"),
        ("its chat template cannot be used", "unexpected 'end of", MEND),
    ),
    (
        "a template that refuses",
        template("{{ raise_exception('not you') }}"),
        ("the chat template refuses this conversation: not you", MEND),
    ),
    (
        "a template that adds a number to a text",
        template("{{ 'a' + 1 }}"),
        ("its chat template cannot be used (TypeError", MEND),
    ),
    (
        "a template that reaches for the machine",
        template("{{ ''.__class__.__mro__[1].__subclasses__() }}"),
        ("chat template", "unsafe", MEND),
    ),
    (
        "a template that calls what it must not",
        template("{{ messages.append.__globals__['os'].system('touch ran') }}"),
        ("chat template", MEND),
    ),
    ("a template without end", template(LOOPS), ("does not end within", MEND)),
    ("a template that reckons on", template("{{ 3 ** (10 ** 9) }}"), ("does not end within", MEND)),
    ("a template that fills the memory", template("{{ 'x' * 10**11 }}"), ("MemoryError", MEND)),
]


@pytest.mark.parametrize("case", AT_ONCE, ids=[case[0] for case in AT_ONCE])
def test_told_by_the_first_job(
    workplace: Workplace,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    case: tuple[str, Harm, tuple[str, ...]],
) -> None:
    monkeypatch.setattr("selfsame.models.trial.LONGEST_S", 2.0)
    _, harm, says = case
    harm(model)
    assert workplace.check().status == 0
    found = stepped("base_model", specs.base_model(workplace.load()), tmp_path / "out")
    assert tells(found.line, "error: own: ", *says)
    assert not list(workplace.folder.rglob("ran"))


def test_weights_that_went_missing_later_are_not_made_up(model: Path) -> None:
    """No job ever computes with weights drawn at random."""
    dropped(model)
    with pytest.raises(UserError, match="its files have no weights"):
        load_model(model)


@pytest.mark.parametrize("harm", [lambda _: None, sharded], ids=["whole", "sharded"])
def test_a_sound_model_passes(
    workplace: Workplace, model: Path, tmp_path: Path, harm: Harm
) -> None:
    harm(model)
    assert workplace.check().status == 0
    out = tmp_path / "out"
    assert stepped("base_model", specs.base_model(workplace.load()), out).status == 0
    assert (out / "manifest.json").is_file()
