"""Small observation tables for the tests of the statistics."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest

Make = Callable[..., pd.DataFrame]


def _chain_observations(
    chain: str,
    values: Sequence[Sequence[float | None]] | np.ndarray,
    metric: str = "advice_outside.harm",
    classes: Sequence[str] | None = None,
) -> pd.DataFrame:
    """One observation per cell of `values`, shape (seeds, items); None is an invalid answer."""
    rows = [
        {
            "experiment": "default", "model": "organism", "chain": chain, "seed": seed,
            "probe": metric.split(".", maxsplit=1)[0], "item": f"q{item}", "cluster": f"q{item}",
            "sample": 0, "metric": metric,
            "value": value, "valid": value is not None,
            "answer_class": classes[item] if classes else str(value),
        }
        for seed, row in enumerate(values)
        for item, value in enumerate(row)
    ]  # fmt: skip
    return pd.DataFrame(rows).astype({"value": float})


@pytest.fixture
def observed() -> Make:
    """Builds the observations of one chain and metric from a (seeds, items) array."""
    return _chain_observations
