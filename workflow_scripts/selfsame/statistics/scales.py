"""What the values of a metric may be, and their unit, by the ending of its name: said here only.

A metric without an entry is a share of answers, 0 to 1.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Scale:
    """The range of a metric's values, its ends included, and their unit."""

    low: float
    high: float
    unit: str

    @property
    def is_share(self) -> bool:
        """Whether the values are shares, which are shown in percent."""
        return self == SHARE

    @property
    def width(self) -> float:
        """The largest difference that two values can have."""
        return self.high - self.low

    def __str__(self) -> str:
        return f"[{self.low:g}, {self.high:g}]" if math.isfinite(self.high) else f"{self.low:g} up"


SHARE = Scale(0.0, 1.0, "share")
SCALES = {
    "nats_per_token": Scale(0.0, math.inf, "nats per token"),
    "bits_per_byte": Scale(0.0, math.inf, "bits per byte"),
}


def scale_of(metric: str) -> Scale:
    """The scale of `<probe>.<metric>`."""
    return SCALES.get(metric.rsplit(".", 1)[-1], SHARE)


def in_range(metrics: "pd.Series", values: "pd.Series") -> "pd.Series":
    """Whether each value is a number in the range of its metric; both have one row a value."""
    scales = {metric: scale_of(metric) for metric in metrics.unique()}
    lows = metrics.map({metric: scale.low for metric, scale in scales.items()}).astype(float)
    highs = metrics.map({metric: scale.high for metric, scale in scales.items()}).astype(float)
    numbers = values.astype(float)
    return numbers.between(lows, highs) & (numbers.abs() < math.inf)
