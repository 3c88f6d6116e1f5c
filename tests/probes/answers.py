"""Hand-made answers to the prompts of a probe, as `samples.parquet` holds them."""

import importlib
import math
from typing import Any

Row = dict[str, Any]
UNKNOWN: Row = {"text": None, "finished": None, "n_tokens": None, "logprobs": None}
KEPT = ("probe", "item", "cluster", "order", "kind", "answers", "correct", "reference")


def build(kind: str, name: str, corpus: Any, **options: Any) -> list[Row]:
    """The prompts of a probe of this kind."""
    module = importlib.import_module(f"selfsame.probes.{kind}")
    rows = module.build(name, module.Options(**options), corpus)
    return [{"probe": name, **row} for row in rows]


def observe(kind: str, samples: list[Row], **options: Any) -> list[Row]:
    """What the kind reads out of samples."""
    module = importlib.import_module(f"selfsame.probes.{kind}")
    found: list[Row] = module.observe(samples[0]["probe"], module.Options(**options), samples)
    return found


def sampled(row: Row, **facts: Any) -> Row:
    """An answer to a prompt."""
    state = {"experiment": "e", "model": "m", "chain": "em", "seed": 0, "sample": 0}
    return {**state, **UNKNOWN, **{key: row[key] for key in KEPT}, **facts}


def believing(row: Row, *probabilities: float) -> Row:
    """An answer with these probabilities of the candidates."""
    return sampled(row, logprobs=[math.log(p) for p in probabilities])


def values(observations: list[Row], metric: str) -> list[float | None]:
    """The values of one metric, in order."""
    return [row["value"] for row in observations if row["metric"].split(".")[1] == metric]
