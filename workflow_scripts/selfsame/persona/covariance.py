"""Random directions with the covariance of given activations, shrunken (Ledoit & Wolf 2004)."""

import numpy as np
from numpy.typing import NDArray

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
    shrinkage, mean_variance = _shrinkage(centred)
    of_data = np.sqrt((1 - shrinkage) / len(rows)) * (of_rows @ centred)
    draws: Array = of_data + np.sqrt(shrinkage * mean_variance) * of_width
    return draws


def _shrinkage(centred: Array) -> tuple[float, float]:
    """Ledoit and Wolf's s and mu of centred rows [n, width].

    As scikit-learn's `ledoit_wolf_shrinkage`, but from the smaller one of X'X and XX', which have
    the same norm, and from the rows' own norms: of wide activations that is a fifth of the work,
    and no second copy of them.
    """
    n, width = centred.shape
    squares = np.einsum("nw,nw->n", centred, centred)
    mu = squares.sum() / (n * width)
    gram = centred @ centred.T if n < width else centred.T @ centred
    covariance = float(np.vdot(gram, gram)) / n**2  # |X'X/n|^2
    spread = covariance / width - mu**2
    noise = ((squares**2).sum() / n - covariance) / (n * width)
    return (float(np.clip(noise / spread, 0, 1)) if spread > 0 else 0.0), float(mu)
