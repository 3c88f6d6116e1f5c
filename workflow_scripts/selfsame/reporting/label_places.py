"""Where a label stands beside its point so that it covers neither points nor other labels."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

MARKER = 8.0  # side of a marker, in points of 1/72 inch
RINGS = np.arange(10.0, 80.0, 5.0)  # distances tried, in the same unit
ANGLES = np.deg2rad(np.arange(45, 405, 30))


@dataclass(frozen=True)
class Label:
    """The point that a label belongs to, and the label's size; all in one unit."""

    x: float
    y: float
    width: float
    height: float


def free_places(labels: Sequence[Label]) -> list[tuple[float, float]]:
    """An offset from its point for each label, the nearest place that is still free.

    Greedy: earlier labels choose first. Where all places are taken, the first is used.
    """
    taken = [Label(label.x, label.y, MARKER, MARKER) for label in labels]
    offsets = []
    for label in labels:
        places = list(_candidates(label))
        free = (offset for offset, place in places if not _meets_any(place, taken))
        offset = next(free, places[0][0])
        offsets.append(offset)
        taken.append(_moved(label, offset))
    return offsets


def _candidates(label: Label) -> Iterator[tuple[tuple[float, float], Label]]:
    for radius in RINGS:
        for angle in ANGLES:
            reach = radius + label.width / 2 - label.height / 2
            offset = (float(reach * np.cos(angle)), float(radius * np.sin(angle)))
            yield offset, _moved(label, offset)


def _moved(label: Label, offset: tuple[float, float]) -> Label:
    return Label(label.x + offset[0], label.y + offset[1], label.width, label.height)


def _meets_any(place: Label, taken: Sequence[Label]) -> bool:
    return any(
        abs(place.x - other.x) < (place.width + other.width) / 2
        and abs(place.y - other.y) < (place.height + other.height) / 2
        for other in taken
    )
