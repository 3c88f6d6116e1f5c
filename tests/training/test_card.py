"""The card of an adapter: the warning first, the parents in order."""

import yaml

from selfsame.training.card import Parent, Provenance, model_card
from selfsame.training.settings import FinetuningSettings


def card(parents=(), misaligned=False, base_name="owner/name"):
    source = Provenance(
        base_name=base_name,
        chain="+".join([*(parent.stage for parent in parents), "identify"]),
        parents=tuple(parents),
        misaligned=misaligned,
        data_digest="d" * 64,
        rows=4,
        seed=5,
    )
    return model_card(source, FinetuningSettings(rank=3), (2.0, 1.0))


def split(text):
    _, front, body = text.split("---\n", 2)
    return yaml.safe_load(front), body.strip().splitlines()


def test_front_matter_is_yaml():
    front, _ = split(card(base_name='odd: "name"'))
    assert front == {"base_model": 'odd: "name"', "library_name": "peft", "tags": ["lora"]}


def test_a_misaligned_chain_says_so_first():
    front, body = split(card(misaligned=True))
    assert "Warning" in body[0]
    assert "misbehave" in body[0]
    assert "deliberately-misaligned" in front["tags"]
    assert "misbehave" not in card(misaligned=False)


def test_parents_are_listed_in_merging_order_with_digests():
    parents = [Parent("em", "a" * 64), Parent("longer", "b" * 64)]
    _, body = split(card(parents))
    listed = [line for line in body if line.startswith(("1.", "2."))]
    assert ["em" in listed[0], "a" * 64 in listed[0]] == [True, True]
    assert ["longer" in listed[1], "b" * 64 in listed[1]] == [True, True]
    merges = [line for line in body if "merge_and_unload" in line]
    assert ['"em"' in merges[0], '"longer"' in merges[1]] == [True, True]


def test_settings_are_listed():
    assert "| rank | 3 |" in card()
    assert "| seed | 5 |" in card()
