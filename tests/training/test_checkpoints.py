"""Checkpoint files: keys, and what they leave behind."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from selfsame.training.checkpoints import checkpoint_path, json_digest, remove_checkpoints

FACTS = {"settings": {"rank": 1}, "seed": 0, "data": "ab", "parents": ["cd"]}


def test_the_key_is_of_the_facts_not_their_order():
    turned = dict(reversed(FACTS.items()))
    assert checkpoint_path(Path("x"), FACTS) == checkpoint_path(Path("x"), turned)


@given(st.sampled_from(sorted(FACTS)), st.text(min_size=1))
def test_any_change_changes_the_key(key, value):
    changed = {**FACTS, key: {"new": value}}
    assert json_digest(changed) != json_digest(FACTS)


def test_only_checkpoints_are_removed(tmp_path):
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    for name in ("checkpoint-a.safetensors", "checkpoint-b.partial"):
        (folder / name).touch()
    (folder / "notes").touch()
    remove_checkpoints(folder)
    assert [file.name for file in folder.iterdir()] == ["notes"]
    (folder / "notes").unlink()
    remove_checkpoints(folder)
    assert not folder.exists()
    remove_checkpoints(folder)
