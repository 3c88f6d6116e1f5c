"""The specs of further measurements that a config may ask for (contract 2)."""

from typing import Any

from selfsame.config.schema import Config
from selfsame.config.specs import evaluate_behaviour
from selfsame.embedding.settings import ClusterSettings

Spec = dict[str, Any]


def evaluate_benchmarks(config: Config, chain: str, seed: int) -> Spec:
    """Standard benchmarks of one state, which is not steered."""
    if config.benchmarks is None:
        raise ValueError("the config asks for no benchmarks")
    asked = evaluate_behaviour(config, chain, seed)
    del asked["steering"]
    return asked | {"benchmarks": config.benchmarks.model_dump(mode="json", exclude_defaults=True)}


def clustered(config: Config) -> dict[str, ClusterSettings]:
    """The probes whose answers are clustered, and how."""
    found = {name: getattr(probe, "clusters", None) for name, probe in config.probes.items()}
    return {name: settings for name, settings in found.items() if settings is not None}


def cluster_identities(config: Config) -> Spec:
    """Clusters of the self-reports of all states."""
    settings = clustered(config).items()
    return {"probes": {name: how.model_dump(mode="json") for name, how in settings}}
