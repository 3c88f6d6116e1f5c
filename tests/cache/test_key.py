"""Equal keys for equal meaning and for nothing else. Meaning: every byte that the step reads."""

import json
import os
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from selfsame.cache import key as key_module
from selfsame.cache.key import ChangedInputError, Key, device_kind, key_of, versions_for
from selfsame.cache.shelf import shelf_for
from selfsame.digests import file_digests
from selfsame.publish import digests_of

SMALL = st.sampled_from(["a", "b"])
CALLS = st.fixed_dictionaries(
    {
        "step": SMALL,
        "spec": st.dictionaries(st.sampled_from(["lr", "wd", "chain"]), st.integers(0, 1)),
        "inputs": st.dictionaries(
            st.sampled_from(["pairs", "rivals", "adapters"]),
            st.lists(st.dictionaries(st.sampled_from(["x", "y"]), SMALL, min_size=1), max_size=2),
        ),
        "code": st.dictionaries(st.sampled_from(["main.py", "helper.py"]), SMALL, min_size=1),
    }
)


def step_output(folder: Path, contents: Mapping[str, str], **facts: Any) -> Path:
    """An upstream step's folder with its manifest."""
    folder.mkdir(parents=True)
    for name, content in contents.items():
        (folder / name).write_text(content)
    manifest = {"outputs": digests_of(folder), "seconds": random.random(), **facts}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder / "manifest.json"


def key_in(folder: Path, call: Mapping[str, Any], whole: bool = False) -> Key:
    """The key of a call whose inputs are written somewhere."""
    inputs = {
        role: [step_output(folder / role / str(i), c) for i, c in enumerate(contents)]
        for role, contents in call["inputs"].items()
    }
    return key_of(call["step"], call["spec"], inputs, call["code"], [], whole)


def ordered(value: Any) -> Any:
    """A value in which the order of mappings does not count, to compare by."""
    return json.dumps(value, sort_keys=True)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(one=CALLS, other=CALLS)
def test_the_same_key_means_the_same_and_the_same_means_the_same_key(
    tmp_path_factory: pytest.TempPathFactory, one: dict[str, Any], other: dict[str, Any]
) -> None:
    first = key_in(tmp_path_factory.mktemp("one"), one)
    second = key_in(tmp_path_factory.mktemp("other"), other)
    again = key_in(tmp_path_factory.mktemp("again"), one)
    assert first.digest == again.digest
    assert (first.digest == second.digest) == (ordered(one) == ordered(other))


@pytest.mark.parametrize(
    ("inputs", "others"),
    [
        ({"pairs": "x", "rivals": "y"}, {"pairs": "y", "rivals": "x"}),  # swapped roles
        ({"pairs": "x", "rivals": ""}, {"pairs": "", "rivals": "x"}),  # the same bytes elsewhere
        ({"pairs": "x"}, {"rivals": "x"}),  # a renamed role
    ],
)
def test_a_role_is_part_of_the_meaning(
    tmp_path: Path, inputs: dict[str, str], others: dict[str, str]
) -> None:
    keys = []
    for number, given_inputs in enumerate((inputs, others)):
        paths = {}
        for role, content in given_inputs.items():
            file = tmp_path / f"{number}-{role}"
            file.write_text(content)
            paths[role] = [file]
        keys.append(key_of("s", {}, paths, {}, [], False).digest)
    assert keys[0] != keys[1]


def test_two_outputs_of_one_upstream_job_are_told_apart(tmp_path: Path) -> None:
    manifest = step_output(tmp_path / "up", {"train": "1", "test": "2"})
    files = [manifest.parent / "train", manifest.parent / "test"]
    one, other = (key_of("s", {}, {"data": [file]}, {}, [], False).digest for file in files)
    assert one != other


def test_when_and_where_an_input_was_made_is_no_content(tmp_path: Path) -> None:
    paths = [step_output(tmp_path / str(n), {"x": "1"}, host=n) for n in range(2)]
    keys = {key_of("s", {}, {"data": [path]}, {}, [], False).digest for path in paths}
    assert len(keys) == 1
    read = {key_of("s", {}, {"data": [path]}, {}, [], True).digest for path in paths}
    assert len(read) == 2  # for a step that reports just that, it is


def test_a_found_model_counts_by_its_weights(tmp_path: Path) -> None:
    models = [{"path": "/a", "digest": "1"}, {"path": "/b", "digest": "1"}, {"digest": "2"}]
    paths = [step_output(tmp_path / str(n), {}, model=model) for n, model in enumerate(models)]
    keys = [key_of("s", {}, {"base": [path]}, {}, [], False).digest for path in paths]
    assert keys[0] == keys[1] != keys[2]


def test_an_input_that_is_not_what_its_manifest_says_gives_no_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = step_output(tmp_path / "up", {"x": "1"})
    (manifest.parent / "x").write_text("2")
    with pytest.raises(ChangedInputError, match="x is not what its manifest says"):
        key_of("s", {}, {"data": [manifest]}, {}, [], False)
    monkeypatch.setenv("SELFSAME_CACHE", str(tmp_path / "cache"))
    code = tmp_path / "code.py"
    code.write_text("")
    assert shelf_for("s", {}, {"data": [manifest]}, file_digests([code]), False).key is None
    assert "cache: not used" in capsys.readouterr().out


def test_an_edit_while_the_step_ran_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SELFSAME_CACHE", str(tmp_path / "cache"))
    code, out = tmp_path / "code.py", tmp_path / "out"
    code.write_text("ONE = 1\n")
    out.mkdir()
    for edited in (True, False):
        shelf = shelf_for("s", {}, {}, file_digests([code]), False)
        if edited:
            code.write_text("ONE = 2\n")
        shelf.keep(out, {"outputs": {}, "found": ""})
        assert (shelf.fetch(tmp_path / f"restored-{edited}") is None) == edited


def test_another_version_of_a_library_the_code_imports_is_another_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = 'def main():\n    import torch\n    from sklearn.svm import SVC\n"""import scipy"""\n'
    before = versions_for([text])
    assert set(before) == {"python", "torch", "scikit-learn"}
    real = key_module.metadata.version
    monkeypatch.setattr(
        key_module.metadata, "version", lambda name: "0.0" if name == "torch" else real(name)
    )
    after = versions_for([text])
    assert {name for name in before if before[name] != after[name]} == {"torch"}
    assert versions_for(["import json\n"]) == {"python": before["python"]}


def test_a_transformers_step_hangs_on_the_tokenizers_too() -> None:
    assert "tokenizers" in versions_for(["from transformers import AutoTokenizer"])


def test_a_big_file_is_read_anew_when_it_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_module, "BIG_BYTES", 4)
    file = tmp_path / "weights"
    seen = []
    for content in (b"12345", b"54321", b"12345"):
        file.write_bytes(content)
        os.utime(file, ns=(1, len(seen)))
        seen.append(key_module.file_digest(file))
    assert seen[0] == seen[2] != seen[1]


@pytest.mark.parametrize(("asked", "kind"), [(None, None), ("cpu", "cpu"), ("cuda:1", "cuda")])
def test_a_named_device_is_taken_at_its_word(asked: str | None, kind: str | None) -> None:
    assert device_kind(asked) == kind


def test_auto_is_the_gpu_that_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_module, "GPUS", tmp_path / "gpus")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert device_kind("auto") == "cpu"
    (tmp_path / "gpus" / "0000:01:00.0").mkdir(parents=True)
    assert device_kind("auto") == "cuda"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert device_kind("auto") == "cpu"
