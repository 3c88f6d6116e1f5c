"""Mistakes in where a stage's rows come from: whose texts they hold, what is interleaved.

As in references.py the data is plain, and parts of the wrong form are passed over.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from selfsame.config.messages import Mistake, nearest
from selfsame.config.mixing import MOST, added_rows
from selfsame.config.names import STEER, is_chain
from selfsame.config.plain import mapping
from selfsame.data.options import PARENT, StageOptions
from selfsame.statistics.settings import BASE

Stages = Mapping[str, Any]
ROWS = StageOptions.model_fields["rows"].default


def row_source_mistakes(data: Mapping[str, Any]) -> Iterator[Mistake]:
    """Interleaved stages and authors that are not there, that are too few, that go in a circle."""
    stages = mapping(data, "stages")
    for name in stages:
        yield from _interleave(stages, name)
        yield from _author(stages, name)
    yield from _circles(stages)


def _interleave(stages: Stages, name: str) -> Iterator[Mistake]:
    other = _interleaved(stages, name)
    if other is None:
        return
    path = ("stages", name, "interleave", "stage")
    if other not in stages:
        yield Mistake(path, f"no stage is called {other!r}{nearest(other, stages)}")
    elif other == name:
        yield Mistake(path, "a stage cannot be interleaved with itself")
    elif _interleaved(stages, other) not in (None, other):
        text = f"{other!r} is itself interleaved; name a stage that has rows of its own alone"
        yield Mistake(path, text)
    else:
        yield from _amount(stages, name, other)


def _amount(stages: Stages, name: str, other: str) -> Iterator[Mistake]:
    """Some rows at least must be added, and no more than the other stage has."""
    fraction = mapping(stages, name, "interleave").get("fraction")
    own, there = (mapping(stages, stage, "data").get("rows", ROWS) for stage in (name, other))
    if not (isinstance(fraction, float) and 0 < fraction <= MOST):
        return
    if not (isinstance(own, int) and isinstance(there, int)):
        return
    path, added = ("stages", name, "interleave", "fraction"), added_rows(own, fraction)
    if added == 0:
        yield Mistake(path, f"{fraction} of all rows is not one row beside {own}; raise it")
    if added > there:
        yield Mistake(
            path,
            f"{fraction} of all rows is {added} beside {own}, stage {other!r} has {there}: raise"
            f" stages.{other}.data.rows or lower the fraction",
        )


def _author(stages: Stages, name: str) -> Iterator[Mistake]:
    author = _named_author(stages, name)
    if author is None:
        return
    path = ("stages", name, "data", "author")
    if not is_chain(author) or STEER in author:
        text = f"{author!r}: write `base`, `parent`, or stage names joined by + without spaces"
        yield Mistake(path, text)
        return
    trained = author.split("+")
    for stage in dict.fromkeys(trained):
        if stage not in stages:
            text = f"the author {author!r} names the unknown stage {stage!r}"
            yield Mistake(path, f"{text}{nearest(stage, stages)}")
        elif trained.count(stage) > 1:
            yield Mistake(path, f"the author {author!r} repeats the stage {stage!r}")


def _circles(stages: Stages) -> Iterator[Mistake]:
    """One mistake a circle, at the first stage of it."""
    told: set[str] = set()
    for name in stages:
        circle = _way_back(stages, name)
        if circle and not told & set(circle):
            told |= set(circle)
            key = _key_to(stages, name, circle[1])
            way = " -> ".join(circle)
            text = f"the rows of {name!r} would be made from its own training ({way})"
            yield Mistake(("stages", name, *key), text)


def _way_back(stages: Stages, start: str) -> list[str]:
    """The shortest way from a stage by what its rows need back to it; nothing where none is."""
    ways, seen = [[start]], set[str]()
    for way in ways:  # grows while it is read
        for needed in _needed(stages, way[-1]):
            if needed == start:
                return [*way, start]
            if needed not in seen:
                seen.add(needed)
                ways.append([*way, needed])
    return []


def _needed(stages: Stages, name: str) -> list[str]:
    """The stages that must be trained, or whose rows must be there, before a stage's own rows."""
    other = _interleaved(stages, name)
    interleaved = [] if other in (None, name) else [other]
    return [stage for stage in (*_authors(stages, name), *interleaved) if stage in stages]


def _authors(stages: Stages, name: str) -> list[str]:
    author = _named_author(stages, name)
    return author.split("+") if author else []


def _named_author(stages: Stages, name: str) -> str | None:
    """The chain whose texts a stage is trained on, where it names one."""
    author = mapping(stages, name, "data").get("author")
    return author if isinstance(author, str) and author not in (BASE, PARENT) else None


def _key_to(stages: Stages, name: str, needed: str) -> tuple[str, ...]:
    by_author = needed in _authors(stages, name)
    return ("data", "author") if by_author else ("interleave", "stage")


def _interleaved(stages: Stages, name: str) -> str | None:
    other = mapping(stages, name, "interleave").get("stage")
    return other if isinstance(other, str) else None
