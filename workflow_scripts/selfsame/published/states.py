"""States as the grid of contrasts sees them, and contrasts. Imports nothing else of selfsame."""

from dataclasses import dataclass, replace

OWN = "own"  # the variant of a stage whose rows bring whatever system message they were made with


@dataclass(frozen=True)
class Stage:
    """A stage of a state: its role in the grid, its name, its variant (as of a system message)."""

    role: str
    name: str
    variant: str = OWN


@dataclass(frozen=True)
class State:
    """A state by its unique chain, and the stages that it was trained in."""

    chain: str
    stages: tuple[Stage, ...]


@dataclass(frozen=True)
class Contrast:
    """Two states to compare. lineage: they come from the same runs of their first stage."""

    name: str
    induction: str
    chain: str
    control: str
    lineage: bool

    def without_lineage(self) -> "Contrast":
        """The same where nothing is known of the runs."""
        return replace(self, lineage=False)
