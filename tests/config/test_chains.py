"""States, parents and controls against the definitions, spelled out for random sets of arms."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfsame.config.chains import (
    ChainSteering,
    chain_of,
    controls,
    finetuned,
    induced,
    parent,
    repaired,
    stages_of,
    states,
    steering_of,
)
from selfsame.config.kinds import Kinds
from selfsame.config.load import load_config

MATCHES = {"a": None, "b": None, "c": "a", "d": "a", "e": "b"}
CHAINS = st.lists(st.sampled_from(sorted(MATCHES)), unique=True, max_size=3).map(tuple)


def config_of(arms: list[tuple[str, ...]]) -> Any:
    stages = {name: SimpleNamespace(matches=target) for name, target in MATCHES.items()}
    return SimpleNamespace(arms=tuple(map(chain_of, arms)), stages=stages)


@given(st.lists(CHAINS, min_size=1, max_size=12, unique=True))
def test_states_are_all_prefixes_once_and_parents_first(arms: list[tuple[str, ...]]) -> None:
    found = states(config_of(arms))
    assert set(found) == {chain_of(arm[:n]) for arm in arms for n in range(4)} | {"base"}
    assert len(set(found)) == len(found)
    assert all(found.index(parent(chain)) < found.index(chain) for chain in found[1:])


@given(st.lists(CHAINS, min_size=1, max_size=12, unique=True), CHAINS)
def test_controls_differ_in_exactly_one_matched_stage(
    arms: list[tuple[str, ...]], chain: tuple[str, ...]
) -> None:
    found = {stages_of(c) for c in controls(config_of(arms), chain_of(chain))}
    for arm in arms:
        other = [(x, y) for x, y in zip(chain, arm, strict=False) if x != y]
        is_control = (
            len(arm) == len(chain) and len(other) == 1 and MATCHES[other[0][1]] == other[0][0]
        )
        assert (arm in found) == is_control


def test_the_default_run_of_the_tests(folder: Path, kinds: Kinds) -> None:
    config = load_config(None, folder, kinds)
    assert states(config)[:3] == ("base", "em", "em+identify")
    assert controls(config, "em+identify") == ("em+shuffled", "em+benign")
    assert controls(config, "identify+em") == ("shuffled+em",)
    assert controls(config, "em") == ()
    with pytest.raises(ValueError, match="no parent"):
        parent("base")
    assert parent(cast(str, "em")) == "base"


STEERED = "em+identify+steer:-evil"


def test_a_steered_chain_is_the_state_before_it() -> None:
    assert stages_of(STEERED) == ("em", "identify")
    assert parent(STEERED) == "em+identify"
    assert parent(f"{STEERED}:random") == "em+identify"
    assert parent("base+steer:+evil") == "base"
    assert steering_of("em+identify") is None
    assert steering_of(STEERED) == ChainSteering("evil", -1, "vector")
    assert steering_of("base+steer:+self:random") == ChainSteering("self", 1, "random")


def test_a_steered_arm_needs_its_state_and_has_a_random_control() -> None:
    config = SimpleNamespace(arms=(STEERED, f"{STEERED}:random", "em"), stages={})
    found = cast(Any, config)
    assert states(found) == ("base", "em", "em+identify", STEERED, f"{STEERED}:random")
    assert finetuned(found) == ("base", "em", "em+identify")
    assert controls(found, STEERED) == (f"{STEERED}:random",)
    assert controls(found, f"{STEERED}:random") == ()


def test_repaired_arms_and_what_they_are_held_against() -> None:
    kinds = {"em": "induction", "em_steered": "induction", "sgtr": "identify", "self": "report"}
    stages = {
        name: SimpleNamespace(kind=kind, matches="em" if name == "em_steered" else None)
        for name, kind in kinds.items()
    }
    arms = ("base", "em", "em+sgtr", "em+sgtr+self", "sgtr+em", "em_steered", "em+steer:-evil")
    config = cast(Any, SimpleNamespace(arms=arms, stages=stages))
    assert repaired(config, "em") == ("em+sgtr", "em+sgtr+self")
    assert repaired(config, "sgtr") == ()
    found = {arm: induced(config, arm) for arm in arms}
    assert found == {
        "base": None,
        "em": None,
        "em+sgtr": "em",
        "em+sgtr+self": "em",
        "sgtr+em": "em",
        "em_steered": "em",
        "em+steer:-evil": "em",
    }
