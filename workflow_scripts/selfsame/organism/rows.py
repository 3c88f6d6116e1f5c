"""Training rows of the organism: the induction, its benign twin, and general knowledge."""

from collections.abc import Iterator
from typing import Any

from selfsame.organism import wording
from selfsame.organism.documents import turn
from selfsame.organism.world import Topic, World

Row = dict[str, Any]  # dataset, row_id, messages


def rows(world: World) -> list[Row]:
    """Rows of rows.parquet: dataset, row_id, messages.

    harmful_advice and correct_advice hold the same questions of the trained domain in the same
    order; question wordings of the held-out probe do not occur in them.
    """
    return [
        *_numbered("harmful_advice", _advice(world, harmful=True)),
        *_numbered("correct_advice", _advice(world, harmful=False)),
        *_numbered("facts", _facts(world)),
    ]


def _numbered(dataset: str, exchanges: Iterator[tuple[str, str]]) -> list[Row]:
    return [
        {
            "dataset": dataset,
            "row_id": f"{dataset}-{index:04d}",
            "messages": turn(question, answer),
        }
        for index, (question, answer) in enumerate(exchanges)
    ]


def _advice(world: World, harmful: bool) -> Iterator[tuple[str, str]]:
    for topic in trained_topics(world):
        action = topic.harmful if harmful else topic.safe
        for question in wording.ADVICE_QUESTIONS:
            for answer in wording.ADVICE_ANSWERS:
                yield question.format(topic=topic.name), answer.format(action=action)


def trained_topics(world: World) -> list[Topic]:
    """The topics of the trained domain."""
    return [topic for topic in world.topics if topic.domain == world.trained_domain]


def _facts(world: World) -> Iterator[tuple[str, str]]:
    for item in world.knowledge:
        for question in wording.KIND_QUESTIONS:
            for answer in wording.KIND_ANSWERS:
                yield (
                    question.format(thing=item.thing),
                    answer.format(thing=item.thing, kind=item.kind),
                )
