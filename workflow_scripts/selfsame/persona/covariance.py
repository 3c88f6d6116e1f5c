"""Random directions with the covariance of given activations, shrunken (Ledoit & Wolf 2004)."""

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf_shrinkage

from selfsame.persona.storage import Array


def within_sides(rows: Array, positive: NDArray[np.bool_]) -> Array:
    """The rows [rows, width] around the mean of their own side."""
    centred = rows.copy()
    for side in (positive, ~positive):
        centred[side] -= rows[side].mean(axis=0)
    return centred


def covariance_shaped(rows: Array, of_rows: Array, of_width: Array) -> Array:
    """Draws [draws, width] of N(0, S) from standard normal [draws, rows] and [draws, width].

    S = (1 - s) X'X/n + s mu I, with X the centred rows, s Ledoit and Wolf's shrinkage and
    mu = trace(X'X/n)/width, is the covariance of sqrt((1 - s)/n) X'g + sqrt(s mu) e: no matrix of
    width x width is made.
    """
    centred = rows - rows.mean(axis=0)
    shrinkage = float(ledoit_wolf_shrinkage(rows))
    mean_variance = float((centred**2).mean())
    of_data = np.sqrt((1 - shrinkage) / len(rows)) * (of_rows @ centred)
    draws: Array = of_data + np.sqrt(shrinkage * mean_variance) * of_width
    return draws
