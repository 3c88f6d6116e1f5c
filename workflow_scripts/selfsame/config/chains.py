"""Chains of stages: which states an experiment needs, their parents and their matched controls."""

from selfsame.config.schema import Config
from selfsame.statistics.settings import BASE


def stages_of(chain: str) -> tuple[str, ...]:
    """The stage names of a chain in training order; none for `base`."""
    return () if chain == BASE else tuple(chain.split("+"))


def chain_of(stages: tuple[str, ...]) -> str:
    """The chain that trains these stages in this order."""
    return "+".join(stages) or BASE


def parent(chain: str) -> str:
    """The state a chain's last stage starts from. Raises ValueError for `base`."""
    if chain == BASE:
        raise ValueError("the base model has no parent")
    return chain_of(stages_of(chain)[:-1])


def states(config: Config) -> tuple[str, ...]:
    """Every state the arms need, each prefix once, parents before their children."""
    chains = [stages_of(arm) for arm in config.arms]
    prefixes = [chain_of(chain[:end]) for chain in chains for end in range(len(chain) + 1)]
    return tuple(dict.fromkeys(prefixes))


def controls(config: Config, chain: str) -> tuple[str, ...]:
    """Arms like `chain` but for one stage, replaced by a stage that `matches` it."""
    replaced = {
        chain_of((*stages[:place], name, *stages[place + 1 :]))
        for stages in [stages_of(chain)]
        for place, stage in enumerate(stages)
        for name, settings in config.stages.items()
        if settings.matches == stage
    }
    return tuple(arm for arm in config.arms if arm in replaced)
