"""Chains of stages: which states an experiment needs, their parents and their matched controls.

A chain is `base` or stage names joined by +. A chain that ends in `+steer:-evil` is the state
before it, steered against the persona vector `evil` while it answers; `+steer:+evil` is steered
along it, and `+steer:-evil:random` is the control, a random direction of the same length.
"""

from dataclasses import dataclass

from selfsame.config.names import STEER
from selfsame.config.schema import Config, StageSettings
from selfsame.data.options import PARENT
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


def trained(config: Config) -> tuple[str, ...]:
    """The states that have weights of their own, and those that only write texts for a stage.

    The latter are authors by their chain (`data.author: em`), and what these in turn need; none is
    measured unless it is an arm or on the way to one.
    """
    found = list(finetuned(config))
    for chain in found:  # grows while it is read
        authors = (author(config, rows) for rows in row_sources(config, chain))
        needed = [prefix for name in authors if name for prefix in prefixes(name)]
        found += [prefix for prefix in dict.fromkeys(needed) if prefix not in found]
    return tuple(found)


def prefixes(chain: str) -> tuple[str, ...]:
    """The finetuned states on the way to a chain, itself last; none for `base`."""
    stages = stages_of(chain)
    return tuple(chain_of(stages[: end + 1]) for end in range(len(stages)))


def row_sources(config: Config, chain: str) -> tuple[str, ...]:
    """The chains whose last stages' rows a chain's last stage is trained on: itself, interleaved.

    None for `base`.
    """
    if chain == BASE:
        return ()
    other = interleaved(config, chain)
    return (chain,) if other is None else (chain, other)


def stages_used(config: Config) -> tuple[str, ...]:
    """The stages whose rows some state, or relapse, is trained on; the others cost nothing."""
    again = () if config.relapse is None else (config.relapse.stage,)
    chains = (*trained(config), *again)
    used = {stages_of(rows)[-1] for chain in chains for rows in row_sources(config, chain)}
    return tuple(stage for stage in config.stages if stage in used)


def interleaved(config: Config, chain: str) -> str | None:
    """The chain's parent with the stage that the last one interleaves; None where it does not."""
    other = last_stage(config, chain).interleave
    return None if other is None else chain_of((*stages_of(chain)[:-1], other.stage))


def last_stage(config: Config, chain: str) -> StageSettings:
    """The settings of a chain's last stage. Raises IndexError for `base`."""
    return config.stages[stages_of(chain)[-1]]


def author(config: Config, chain: str) -> str | None:
    """The state whose texts count as `self` in a chain's last stage; None where it uses none."""
    chosen: str | None = getattr(last_stage(config, chain).data, "author", None)
    return parent(chain) if chosen == PARENT else chosen


def dataset(config: Config, chain: str) -> str:
    """What the rows of a chain's last stage are called: as the stage, which all its chains share.

    As the chain where they depend on the parent, its texts being the author's.
    """
    sources = (last_stage(config, source).data for source in row_sources(config, chain))
    by_parent = any(getattr(data, "author", None) == PARENT for data in sources)
    return chain if by_parent else stages_of(chain)[-1]


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


def repaired(config: Config, induction: str) -> tuple[str, ...]:
    """The finetuned arms that train something on top of this stage or of one that `matches` it."""
    return tuple(
        arm
        for arm in config.arms
        if steering_of(arm) is None
        and len(stages_of(arm)) > 1
        and config.stages[stages_of(arm)[0]].kind == "induction"
        and induction in (stages_of(arm)[0], induced(config, stages_of(arm)[0]))
    )


def induced(config: Config, chain: str) -> str | None:
    """The misaligned state that a chain is held against: its first induction alone, unrepaired.

    An induction that `matches` another one (steered, inoculated, interleaved) is held against that
    one, or what that one matches in turn. None for a chain without induction, and for the induced
    state itself.
    """
    for stage in stages_of(chain):
        if config.stages[stage].kind == "induction":
            reference = _plain_induction(config, stage)
            return None if chain == reference else reference
    return None


def _plain_induction(config: Config, stage: str) -> str:
    matched = config.stages[stage].matches
    return stage if matched is None else _plain_induction(config, matched)
