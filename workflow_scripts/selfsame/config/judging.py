"""Which judges grade what, and the wording of what they are asked: a YAML file.

Imports nothing heavy, so that a mistake shows at once.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from selfsame.config.document import line_of, read_document
from selfsame.config.messages import ConfigErrors, Mistake, nearest
from selfsame.config.schema import Config
from selfsame.judging.prompts import CRITERIA, NOTE
from selfsame.judging.settings import OpenaiJudge

TEXTS = (NOTE, *CRITERIA)
SLOTS = ("{question}", "{answer}")


def judges_of(config: Config, probe: str) -> tuple[str, ...]:
    """The judges of a probe's answers, the deciding one first; none where the rule decides."""
    return tuple(getattr(config.probes[probe], "judges", ()))


def judged_probes(config: Config, judge: str) -> list[str]:
    """The probes whose answers a judge grades."""
    return [probe for probe in config.probes if judge in judges_of(config, probe)]


def servers(config: Config) -> dict[str, OpenaiJudge]:
    """The judges that are behind a server."""
    return {n: judge for n, judge in config.judges.items() if isinstance(judge, OpenaiJudge)}


def read_wording(path: Path) -> dict[str, str]:
    """A note and a template by criterion.

    Raises ConfigErrors with one line, `file:line: key: what is wrong`, for every mistake in it.
    """
    document = read_document(path)
    mistakes = document.mistakes or list(_mistakes(document.data))
    if mistakes:
        places = [(*line_of(document, mistake, str(path)), str(mistake)) for mistake in mistakes]
        raise ConfigErrors([f"{file}:{line or 1}: {text}" for file, line, text in sorted(places)])
    return {name: str(document.data[name]) for name in TEXTS}


def _mistakes(data: Mapping[str, Any]) -> Iterator[Mistake]:
    for name in {*data} - {*TEXTS}:
        yield Mistake((name,), f"unknown key{nearest(name, TEXTS)}")
    for name in TEXTS:
        text = data.get(name)
        if not isinstance(text, str) or not text.strip():
            yield Mistake((name,), "must be a text that is not blank")
            continue
        for slot in SLOTS if name in CRITERIA else ():
            if slot not in text:
                yield Mistake((name,), f"the slot {slot} must stand in it")
