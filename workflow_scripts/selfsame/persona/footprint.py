"""Memory that the persona vectors' steps without a model take: a bound by the experiment's size.

What is reserved follows from it (selfsame.config.resources); tests/persona/test_footprint.py and
benchmarks/persona.py hold real runs to it. No step imports this. Imports nothing heavy.
"""

from dataclasses import dataclass

# Python with numpy, pandas, pyarrow and scikit-learn takes 240 MB; rows on their way from the disk,
# with what is made of them, another 210 (persona.stored.PORTION).
LIBRARIES_MB, PORTIONS_MB = 250, 250

# Bytes per unit of width, of one block at a time: of a kept rollout its activations around three
# means, their Gram matrix and as they come from the disk; of a state its mean shift, of a draw its
# direction, each in float64 and thrice.
ROLLOUT_BYTES, STATE_BYTES, DRAW_BYTES = 48, 28, 36

# Bytes per block and unit of width that each trait has: its vectors, and a state's centroids.
TRAIT_BYTES = 72


@dataclass(frozen=True)
class Amount:
    """How much is measured. rollouts: the most of a trait, of both sides, all of them kept."""

    traits: int
    rollouts: int
    states: int
    draws: int


def vectors_mb(blocks: float, width: float, amount: Amount) -> float:
    """MB that `extract_persona_vectors` and `measure_persona` take at most."""
    of_block = (
        ROLLOUT_BYTES * amount.rollouts + STATE_BYTES * amount.states + DRAW_BYTES * amount.draws
    )
    held = width * (of_block + blocks * TRAIT_BYTES * amount.traits)
    return LIBRARIES_MB + PORTIONS_MB + held / 1e6
