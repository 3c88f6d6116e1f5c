"""Mapping files of publications, and the contrasts of our own arms that stand beside theirs.

    publication = read_publication("config/published/truthfulqa_binary.yaml")

config/published/README.md says what each key means. Imports nothing heavy.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from selfsame.config.chains import finetuned, stages_of
from selfsame.config.document import Document, line_of, read_document
from selfsame.config.messages import ConfigErrors, Mistake, form_mistakes, nearest
from selfsame.config.schema import Config
from selfsame.published.grid import chains_of, contrasts
from selfsame.published.settings import INDUCTION, Condition, Publication
from selfsame.published.states import Contrast, Stage, State
from selfsame.statistics.settings import BASE

CHOICE = "choice"


def read_publication(file: str) -> Publication:
    """A mapping file. Raises ConfigErrors with one line for every mistake in it."""
    return _read(Path(file), Path(file).stat().st_mtime_ns if Path(file).is_file() else 0)


@cache
def _read(path: Path, modified_ns: int) -> Publication:
    """`modified_ns` makes an edited file another one."""
    document = read_document(path)
    publication, mistakes = None, list(document.mistakes)
    if document.data or not document.mistakes:
        try:
            publication = Publication.model_validate_json(json.dumps(document.data), strict=True)
        except ValidationError as error:
            schema = Publication.model_json_schema()
            mistakes += form_mistakes(error, document.data, schema, ignore="")
    if publication is not None:
        mistakes += _reference_mistakes(publication)
    if mistakes or publication is None:
        raise ConfigErrors(_lines(document, mistakes, str(path)))
    return publication


def _lines(document: Document, mistakes: Iterable[Mistake], file: str) -> list[str]:
    places = [(*line_of(document, mistake, file), str(mistake)) for mistake in mistakes]
    return [f"{name}:{line or 1}: {text}" for name, line, text in sorted(set(places))]


def _reference_mistakes(publication: Publication) -> Iterator[Mistake]:
    for name, condition in publication.conditions.items():
        yield from _condition_mistakes(publication, name, condition)
    yield from _pattern_mistakes(publication)
    yield from _printed_mistakes(publication)
    if all(len(c.variants) == len(c.stages) for c in publication.conditions.values()):
        yield from _same_chains(publication)


def _condition_mistakes(
    publication: Publication, name: str, condition: Condition
) -> Iterator[Mistake]:
    stages, systems = {**publication.inductions, **publication.stages}, publication.systems
    place = ("conditions", name)
    for stage in condition.stages:
        if stage not in stages:
            text = f"no stage is called {stage!r}{nearest(stage, stages)}"
            yield Mistake((*place, "chain"), text)
    for system in set(condition.variants) - {*systems}:
        text = f"no variant is called {system!r}{nearest(system, systems)}"
        yield Mistake((*place, "system"), text)
    if len(condition.variants) != len(condition.stages):
        text = f"must name a variant for each of the {len(condition.stages)} stages, joined by +"
        yield Mistake((*place, "system"), text)


def _pattern_mistakes(publication: Publication) -> Iterator[Mistake]:
    roles = {INDUCTION, BASE, *publication.stages}
    for index, pattern in enumerate(publication.contrasts):
        for key in ("chain", "control"):
            for role in getattr(pattern, key).split("+"):
                if role not in roles:
                    text = f"no role is called {role!r}{nearest(role, roles)}"
                    yield Mistake(("contrasts", index, key), text)
        if pattern.chain == BASE or pattern.control.count("+") > pattern.chain.count("+"):
            text = "the chain must have as many stages as its control, and one at least"
            yield Mistake(("contrasts", index, "chain"), text)


def _printed_mistakes(publication: Publication) -> Iterator[Mistake]:
    for index, cell in enumerate(publication.printed):
        for key, known in (("model", publication.models), ("condition", publication.conditions)):
            name = getattr(cell, key)
            if name not in known:
                text = f"no {key} is called {name!r}{nearest(name, known)}"
                yield Mistake(("printed", index, key), text)


def _same_chains(publication: Publication) -> Iterator[Mistake]:
    """Two conditions would be one state in every table."""
    named = chains_of(publication)
    for chain, times in Counter(named.values()).items():
        if times > 1:
            *_, last = (name for name, other in named.items() if other == chain)
            yield Mistake(("conditions", last), f"another condition is the chain {chain!r}, too")


def on_published_grid(config: Config) -> dict[str, Any]:
    """What build_tables must know of our answers to what a publication asked.

    Empty where there are none: most experiments have no such answers, and no such key in the spec.
    """
    probe = _own_probe(config)
    if probe is None:
        return {}
    contrasts = [asdict(contrast) for contrast in own_contrasts(config)]
    return {"published": {"probe": probe, "contrasts": contrasts}}


def _own_probe(config: Config) -> str | None:
    """Our probe that asks what the publication asked; None where there is none."""
    if config.published is None:
        return None
    name = config.published.probe or read_publication(config.published.mapping).probe
    probe = config.probes.get(name)
    return name if probe is not None and probe.kind == CHOICE else None


def own_contrasts(config: Config) -> list[Contrast]:
    """The grid's contrasts among our finetuned states; a stage's role is its kind.

    The control of a stage has the variant of the stage that it `matches`.
    """
    if config.published is None:
        return []
    patterns = read_publication(config.published.mapping).contrasts
    return contrasts(patterns, [_own_state(config, chain) for chain in finetuned(config)])


def _own_state(config: Config, chain: str) -> State:
    stages = ((name, config.stages[name]) for name in stages_of(chain))
    return State(chain, tuple(Stage(s.kind, name, s.matches or name) for name, s in stages))
