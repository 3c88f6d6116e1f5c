"""Which jobs go first where more could run than there is room for. Never changes a result.

The base and the induced states come first, as they tell at once whether the induction worked; then
the others by their depth, so that a chain's prefixes are there early for all that is built on them.
Answers are judged as soon as they are there. Persona vectors steer some states, so they are made
early; what is measured of every state once more (its place along the vectors, its relapse) is last.
"""

from dataclasses import dataclass
from functools import cached_property

from selfsame.config.chains import (
    induced,
    row_sources,
    stages_of,
    states,
    steering_of,
    trained,
)
from selfsame.config.schema import Config
from selfsame.statistics.settings import BASE

JUDGING = 110  # takes seconds, and tells the metrics
FIRST, VECTORS, LATER, LAST = 100, 70, 40, 10
DEEPEST = LATER - LAST - 1  # still before what comes last


@dataclass(frozen=True)
class Priorities:
    """The priorities of one experiment's jobs; of two that are ready the larger one goes first."""

    config: Config

    def of_chain(self, chain: str) -> int:
        """Of the jobs that make or ask a state."""
        if chain in self._first:
            return FIRST
        depth = len(stages_of(chain)) + (steering_of(chain) is not None)
        return LATER - min(depth, DEEPEST)

    def of_dataset(self, dataset: str) -> int:
        """Of the rows of a stage, or of one chain's last stage: as the first state of these."""
        return self._of_rows[stages_of(dataset)[-1]]

    def of_author(self, author: str) -> int:
        """Of the texts of the base or of a state (`<chain>.seed<seed>`)."""
        return self.of_chain(author.partition(".seed")[0])

    @cached_property
    def _of_rows(self) -> dict[str, int]:
        """Of each stage whose rows are trained on, its own or interleaved in another's."""
        found: dict[str, int] = {}
        for chain in trained(self.config):
            for source in row_sources(self.config, chain):
                stage = stages_of(source)[-1]
                found[stage] = max(found.get(stage, LAST), self.of_chain(chain))
        return found

    @cached_property
    def _first(self) -> set[str]:
        references = (induced(self.config, chain) for chain in states(self.config))
        return {BASE, *filter(None, references)}
