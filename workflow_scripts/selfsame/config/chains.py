"""Chains of stages: which states an experiment needs, their parents and their matched controls.

A chain is `base` or stage names joined by +. A chain that ends in `+steer:-evil` is the state
before it, steered against the persona vector `evil` while it answers; `+steer:+evil` is steered
along it, and `+steer:-evil:random` is the control, a random direction of the same length.
"""

from dataclasses import dataclass

from selfsame.config.names import STEER
from selfsame.config.schema import Config
from selfsame.statistics.settings import BASE

RANDOM = "random"


@dataclass(frozen=True)
class ChainSteering:
    """How a chain is steered at inference: along (sign 1) or against (-1) a trait's vector."""

    trait: str
    sign: int
    direction: str


def unsteered(chain: str) -> str:
    """The finetuned state that a chain asks, with or without steering."""
    return chain.partition(STEER)[0]


def steering_of(chain: str) -> ChainSteering | None:
    """The steering that a chain ends in; None where it is the finetuned state itself."""
    _, found, text = chain.partition(STEER)
    if not found:
        return None
    trait, _, direction = text[1:].partition(":")
    return ChainSteering(trait, 1 if text[0] == "+" else -1, direction or "vector")


def stages_of(chain: str) -> tuple[str, ...]:
    """The stage names of a chain in training order; none for `base`."""
    state = unsteered(chain)
    return () if state == BASE else tuple(state.split("+"))


def chain_of(stages: tuple[str, ...]) -> str:
    """The chain that trains these stages in this order."""
    return "+".join(stages) or BASE


def parent(chain: str) -> str:
    """The state that a chain's last stage, or its steering, starts from.

    Raises ValueError for `base`.
    """
    if chain == BASE:
        raise ValueError("the base model has no parent")
    return chain_of(stages_of(chain)[:-1]) if steering_of(chain) is None else unsteered(chain)


def states(config: Config) -> tuple[str, ...]:
    """Every state the arms need, each prefix once, parents before their children."""
    found = []
    for arm in config.arms:
        stages = stages_of(arm)
        found += [chain_of(stages[:end]) for end in range(len(stages) + 1)] + [arm]
    return tuple(dict.fromkeys(found))


def finetuned(config: Config) -> tuple[str, ...]:
    """The states that have weights of their own, the base among them."""
    return tuple(chain for chain in states(config) if steering_of(chain) is None)


def controls(config: Config, chain: str) -> tuple[str, ...]:
    """Arms like `chain` but for one stage, replaced by a stage that `matches` it.

    The control of a steered chain is steered along a random direction.
    """
    if steering_of(chain) is not None:
        return tuple(arm for arm in config.arms if arm == f"{chain}:{RANDOM}")
    replaced = {
        chain_of((*stages[:place], name, *stages[place + 1 :]))
        for stages in [stages_of(chain)]
        for place, stage in enumerate(stages)
        for name, settings in config.stages.items()
        if settings.matches == stage
    }
    return tuple(arm for arm in config.arms if arm in replaced)


def repaired(config: Config) -> tuple[str, ...]:
    """The finetuned arms that train something on top of a first stage of induction."""
    return tuple(
        arm
        for arm in config.arms
        if steering_of(arm) is None
        and len(stages_of(arm)) > 1
        and config.stages[stages_of(arm)[0]].kind == "induction"
    )


def induced(config: Config, chain: str) -> str | None:
    """The misaligned state that a chain is held against: its first induction alone, unrepaired.

    An induction that `matches` another one (steered during training) is held against that one.
    None for a chain without induction, and for the induced state itself.
    """
    for stage in stages_of(chain):
        settings = config.stages[stage]
        if settings.kind == "induction":
            reference = settings.matches or stage
            return None if chain == reference else reference
    return None
