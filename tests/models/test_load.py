"""Model directories: what is refused and why, and what loads."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError, RevisionNotFoundError
from pydantic import ValidationError

from selfsame.errors import UserError
from selfsame.models import load
from selfsame.models.directory import check_model_dir
from selfsame.models.load import choose_device, digest_of, load_model, resolve
from selfsame.models.settings import HfModelSettings, Loading, SystemText, parse_system
from tiny_models import make_tiny_model


@pytest.fixture
def folder(tmp_path):
    return make_tiny_model(tmp_path / "model")


def edit_config(folder: Path, **changes):
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def remove(folder: Path, *patterns: str) -> None:
    for pattern in patterns:
        for file in folder.glob(pattern):
            file.unlink()


def test_a_good_directory_passes(folder):
    check_model_dir(folder, trust_remote_code=False)


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        (["config.json"], r"no config\.json"),
        (["*.safetensors"], "no .*safetensors weights"),
        (["tokenizer.json"], "no tokenizer"),
        (["chat_template.jinja"], "no chat template"),
    ],
)
def test_what_is_missing_is_named(folder, patterns, message):
    remove(folder, *patterns)
    with pytest.raises(UserError, match=message):
        check_model_dir(folder, trust_remote_code=False)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "consolidated.00.pth"])
def test_pickled_weights_are_refused(folder, name):
    remove(folder, "*.safetensors")
    (folder / name).write_bytes(b"not even read")
    with pytest.raises(UserError, match=r"pickle.*save_pretrained"):
        check_model_dir(folder, trust_remote_code=True)


def test_custom_code_runs_only_on_request(folder):
    code = folder / "modeling_other.py"
    code.write_text("raise RuntimeError('ran')")
    edit_config(folder, model_type="other", auto_map={"AutoConfig": "modeling_other.Config"})
    with pytest.raises(UserError, match="trust_remote_code"):
        load_model(folder)
    check_model_dir(folder, trust_remote_code=True)


def test_auto_map_of_a_known_architecture_needs_no_code(folder):
    edit_config(folder, auto_map={"AutoModelForCausalLM": "modeling_other.Model"})
    (folder / "modeling_other.py").write_text("raise RuntimeError('ran')")
    model, _ = load_model(folder)
    assert type(model).__name__ == "Qwen2ForCausalLM"


def test_broken_json_is_named(folder):
    (folder / "config.json").write_text("{")
    with pytest.raises(UserError, match=r"config\.json: not valid JSON"):
        check_model_dir(folder, trust_remote_code=False)


@pytest.mark.parametrize("architecture", ["qwen2", "llama", "gpt2"])
def test_load_gives_the_saved_model(tmp_path, architecture):
    path = make_tiny_model(tmp_path / "model", architecture)
    model, tokenizer = load_model(path, Loading(dtype="auto", device="cpu"), threads=1)
    assert model.dtype == torch.float32
    assert not model.training
    assert torch.get_num_threads() == 1
    assert tokenizer.decode(tokenizer("Paris ✓")["input_ids"]) == "Paris ✓"
    assert load_model(path, Loading(dtype="bfloat16"))[0].dtype == torch.bfloat16


def test_resolve_a_directory_and_its_digest(folder):
    found = resolve(HfModelSettings(path=folder))
    assert (found.path, found.commit) == (folder, None)
    (folder / "notes.md").write_text("no part of the model")
    assert digest_of(folder) == found.digest
    edit_config(folder, rope_theta=5.0)
    assert digest_of(folder) != found.digest


def test_resolve_a_hub_model_takes_no_pickle_and_names_its_commit(tmp_path, monkeypatch):
    commit = "0123456789abcdef0123456789abcdef01234567"
    path = make_tiny_model(tmp_path / commit)
    asked = {}
    monkeypatch.setattr(load, "snapshot_download", lambda hub, **kw: asked.update(kw) or str(path))
    found = resolve(HfModelSettings(hub_id="owner/name", revision="v1"))
    assert found.commit == commit
    assert asked["revision"] == "v1"
    assert not any(p.endswith(("bin", "pt", "py", "*")) for p in asked["allow_patterns"])


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (LocalEntryNotFoundError("offline"), "local cache"),
        (
            RevisionNotFoundError("no", response=SimpleNamespace(headers={}, request=None)),
            "no revision v1",
        ),
    ],
)
def test_hub_errors_say_what_to_mend(monkeypatch, error, message):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(load, "snapshot_download", fail)
    with pytest.raises(UserError, match=message):
        resolve(HfModelSettings(hub_id="owner/name", revision="v1"))


def test_settings_need_one_source():
    for wrong in ({}, {"path": "a", "hub_id": "b"}, {"path": "a", "revision": "v1"}):
        with pytest.raises(ValidationError):
            HfModelSettings(**wrong)


def test_system_prompt_forms():
    assert parse_system("none") == "none"
    assert parse_system({"text": "Be brief."}) == SystemText(text="Be brief.")
    with pytest.raises(ValidationError):
        parse_system("default")


def test_a_gpu_that_is_not_there_is_an_error(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == torch.device("cpu")
    with pytest.raises(UserError, match="no GPU"):
        choose_device("cuda")
