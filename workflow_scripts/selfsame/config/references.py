"""Mistakes between keys: names that must exist elsewhere in the config, stages that must agree.

The checks read plain data and pass over parts of the wrong form, so that they run (and report)
beside the checks of form, not after them.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import PurePath
from typing import Any

from selfsame.config.messages import Mistake, nearest
from selfsame.config.names import NAME, RULES, STEER, is_chain
from selfsame.config.plain import mapping as _mapping
from selfsame.config.plain import sequence as _sequence
from selfsame.config.row_sources import row_source_mistakes
from selfsame.organism.questions import SETS
from selfsame.organism.settings import WorldSettings
from selfsame.organism.texts import TEST_EVERY
from selfsame.organism.world import AUTHORS
from selfsame.persona.settings import RelapseSettings
from selfsame.statistics.scales import scale_of
from selfsame.statistics.settings import BASE

ORGANISM = "organism"
IDENTITY = "identity"  # the questions that every model has
RULES_WITH_RESOURCES = (
    *("base_model", "collect_self_texts", "finetune", "sample", "persona"),
    *("judge", "vectors", "tables", "light"),
)


def reference_mistakes(data: Mapping[str, Any]) -> list[Mistake]:
    """Every mistake between the keys of a whole config."""
    checks = (
        *(_experiment, _stages, _arms, _primary_metric, _repeats, _texts, _world, _resources),
        *(_traits, _steered_training, _relapse, _judges, row_source_mistakes, _questions),
        *(_published, _benchmarks),
    )
    return [mistake for check in checks for mistake in check(data)]


def _experiment(data: Mapping[str, Any]) -> Iterator[Mistake]:
    if data.get("experiment") == "datasets":
        yield Mistake(("experiment",), "results/datasets/ holds the datasets; choose another name")


def _stages(data: Mapping[str, Any]) -> Iterator[Mistake]:
    stages = _mapping(data, "stages")
    if BASE in stages:
        yield Mistake(("stages", BASE), "`base` is the base model and cannot name a stage")
    for name, stage in stages.items():
        target = _mapping(stage).get("matches")
        if isinstance(target, str):
            yield from _matches(stages, name, target)


def _matches(stages: Mapping[str, Any], name: str, target: str) -> Iterator[Mistake]:
    path = ("stages", name, "matches")
    if target not in stages:
        yield Mistake(path, f"no stage is called {target!r}{nearest(target, stages)}")
    elif target == name:
        yield Mistake(path, "a stage cannot be its own control")
    elif name in (circle := _matched(stages, target)):
        way = " -> ".join((name, *circle[: circle.index(name) + 1]))
        yield Mistake(path, f"stages are controls of each other in a circle ({way})")
    else:
        yield from _differences(stages, name, target)
        yield from _other_amount(stages, name, target)


def _matched(stages: Mapping[str, Any], name: str) -> list[str]:
    """A stage, the one that it matches, the one that this matches, and so on, each once."""
    found: list[str] = []
    following: Any = name
    while isinstance(following, str) and following not in found:
        found.append(following)
        following = _mapping(stages, following).get("matches")
    return found


def _other_amount(stages: Mapping[str, Any], name: str, target: str) -> Iterator[Mistake]:
    """A control of an interleaved stage may interleave something else, but as much of it."""
    mine, theirs = _mapping(stages, name, "interleave"), _mapping(stages, target, "interleave")
    if theirs and mine.get("fraction") != theirs.get("fraction"):
        text = (
            f"must be {theirs.get('fraction')!r} as in stages.{target}, because {name} matches"
            f" {target}: same rows and steps; another `stage` may be interleaved"
        )
        yield Mistake(("stages", name, "interleave", *(["fraction"] if mine else [])), text)


def _differences(stages: Mapping[str, Any], name: str, target: str) -> Iterator[Mistake]:
    mine, theirs = _mapping(stages, name, "finetuning"), _mapping(stages, target, "finetuning")
    pairs = {("finetuning", key): (mine[key], theirs[key]) for key in mine if key in theirs}
    mine, theirs = _mapping(stages, name, "data"), _mapping(stages, target, "data")
    if "rows" in mine and "rows" in theirs:
        pairs["data", "rows"] = (mine["rows"], theirs["rows"])
    pairs.pop(("finetuning", "steering"), None)  # a steered induction is compared with a plain one
    for keys, (own, wanted) in pairs.items():
        if own != wanted:
            other = ".".join(("stages", target, *keys))
            text = f"{own!r} must equal {other} ({wanted!r}), because {name} matches {target}"
            yield Mistake(("stages", name, *keys), text)


def _arms(data: Mapping[str, Any]) -> Iterator[Mistake]:
    stages = _mapping(data, "stages")
    seen: set[str] = set()
    for index, arm in enumerate(_sequence(data, "arms")):
        if not isinstance(arm, str) or not is_chain(arm):
            continue
        path = ("arms", index)
        if arm in seen:
            yield Mistake(path, f"the arm {arm!r} is given twice")
        seen.add(arm)
        state, steers, steering = arm.partition(STEER)
        yield from _chain(path, state, stages)
        if steers:
            yield from _known_trait(path, steering[1:].partition(":")[0], data)


def _chain(path: tuple[str | int, ...], arm: str, stages: Mapping[str, Any]) -> Iterator[Mistake]:
    if arm == BASE:
        return
    for name, times in Counter(arm.split("+")).items():
        if times > 1:
            yield Mistake(path, f"the arm {arm!r} repeats the stage {name!r}")
        if name not in stages:
            text = f"the arm {arm!r} names the unknown stage {name!r}{nearest(name, stages)}"
            yield Mistake(path, text)


def trait_name(path: Any) -> str:
    """A trait is called by its file's name without the ending."""
    return PurePath(str(path)).stem


def _known_trait(
    path: tuple[str | int, ...], name: Any, data: Mapping[str, Any]
) -> Iterator[Mistake]:
    known = [trait_name(file) for file in _sequence(_mapping(data, "persona"), "traits")]
    if isinstance(name, str) and name not in known:
        yield Mistake(path, f"persona.traits has no trait {name!r}{nearest(name, known)}")


def _traits(data: Mapping[str, Any]) -> Iterator[Mistake]:
    files = _sequence(_mapping(data, "persona"), "traits")
    for name, times in Counter(trait_name(file) for file in files).items():
        path = ("persona", "traits")
        if times > 1:
            yield Mistake(path, f"{times} files are called {name!r}; a trait is named by its file")
        if re.fullmatch(NAME, name) is None or name == "random":
            yield Mistake(path, f"{name!r} cannot name a trait: {RULES[NAME]}, and not `random`")


def _steered_training(data: Mapping[str, Any]) -> Iterator[Mistake]:
    for name, stage in _mapping(data, "stages").items():
        steering = _mapping(stage, "finetuning", "steering")
        if steering:
            path = ("stages", name, "finetuning", "steering", "trait")
            yield from _known_trait(path, steering.get("trait"), data)


def _relapse(data: Mapping[str, Any]) -> Iterator[Mistake]:
    relapse, stages = _mapping(data, "relapse"), _mapping(data, "stages")
    if not relapse:
        return
    name = relapse.get("stage", RelapseSettings.model_fields["stage"].default)
    if isinstance(name, str) and _mapping(stages, name).get("kind") != "induction":
        known = [key for key, stage in stages.items() if _mapping(stage).get("kind") == "induction"]
        text = f"{name!r} is no induction stage{nearest(name, known)}"
        yield Mistake(("relapse", "stage"), text)
    doses = _sequence(relapse, "doses")
    numbers = all(type(dose) is int for dose in doses)
    if doses and numbers and (doses[0] != 0 or any(b <= a for a, b in pairwise(doses))):
        yield Mistake(("relapse", "doses"), f"{doses}: must start at 0 and rise")


def _published(data: Mapping[str, Any]) -> Iterator[Mistake]:
    name, probes = _mapping(data, "published").get("probe"), _mapping(data, "probes")
    known = [key for key, probe in probes.items() if _mapping(probe).get("kind") == "choice"]
    if isinstance(name, str) and name not in known:
        text = f"{name!r} is no probe of kind choice{nearest(name, known)}"
        yield Mistake(("published", "probe"), text)


def _judges(data: Mapping[str, Any]) -> Iterator[Mistake]:
    """Judges that probes name exist, each once; those that exist are named."""
    known, asked = _mapping(data, "judges"), set()
    for probe, keys in _mapping(data, "probes").items():
        named = _sequence(_mapping(keys), "judges")
        for index, name in enumerate(named):
            path = ("probes", probe, "judges", index)
            if isinstance(name, str) and name not in known:
                yield Mistake(path, f"no judge is called {name!r}{nearest(name, known)}")
            if name in named[:index]:
                yield Mistake(path, f"the judge {name!r} is given twice")
            asked.add(name)
    for name in known:
        if name not in asked:
            text = "no probe names this judge; name it in a probe's `judges`, or remove it"
            yield Mistake(("judges", name), text)


def _primary_metric(data: Mapping[str, Any]) -> Iterator[Mistake]:
    metric = _mapping(data, "statistics").get("primary_metric")
    probes = _mapping(data, "probes")
    if not isinstance(metric, str):
        return
    path = ("statistics", "primary_metric")
    probe, dot, _ = metric.partition(".")
    if not dot:
        yield Mistake(path, f"{metric!r} must be written <probe>.<metric>")
    if probe not in probes:
        yield Mistake(path, f"no probe is called {probe!r}{nearest(probe, probes)}")
    if not scale_of(metric).is_share:
        yield Mistake(path, f"{metric!r} has no values between 0 and 1: choose a share of answers")


def _benchmarks(data: Mapping[str, Any]) -> Iterator[Mistake]:
    """Metrics are called after the probe or the benchmark: no two may share a name."""
    for index, name in enumerate(_sequence(_mapping(data, "benchmarks"), "tasks")):
        if name in _mapping(data, "probes"):
            yield Mistake(("benchmarks", "tasks", index), f"a probe is called {name!r}, too")


def _questions(data: Mapping[str, Any]) -> Iterator[Mistake]:
    """A probe may ask the questions of another one of its kind, or a set that the model has."""
    probes = _mapping(data, "probes")
    organism = _mapping(data, "model").get("kind") == ORGANISM
    sets = SETS if organism else {IDENTITY: SETS[IDENTITY]}
    for name, probe in probes.items():
        asked, kind = _mapping(probe).get("questions"), _mapping(probe).get("kind")
        if not isinstance(asked, str):
            continue
        path = ("probes", name, "questions")
        known = {key for key in probes if _has_questions(probes, key, kind)}
        known |= {key for key, of_kind in sets.items() if of_kind == kind}
        if _mapping(probe).get("file") is not None:
            yield Mistake(path, "the probe has a `file` of its own; remove one of the two")
        elif asked not in known:
            text = f"there are no questions {asked!r} for a probe of kind {kind}"
            yield Mistake(path, f"{text}{nearest(asked, known)}")


def _has_questions(probes: Mapping[str, Any], name: str, kind: Any) -> bool:
    """Whether a probe is of this kind and has a file of questions."""
    probe = _mapping(probes, name)
    return probe.get("kind") == kind and probe.get("file") is not None


def _repeats(data: Mapping[str, Any]) -> Iterator[Mistake]:
    texts = _mapping(data, "texts")
    lists: list[tuple[tuple[str, ...], list[Any]]] = [(("seeds",), _sequence(data, "seeds"))]
    lists += [(("texts", key), _sequence(texts, key)) for key in ("train_rivals", "test_rivals")]
    for path, values in lists:
        for value, times in Counter(repr(value) for value in values).items():
            if times > 1:
                yield Mistake(path, f"{value} is given {times} times")


def _texts(data: Mapping[str, Any]) -> Iterator[Mistake]:
    """The organism reads only the words of its world, and only it has a world."""
    kind, texts = _mapping(data, "model").get("kind"), _mapping(data, "texts")
    for key in ("articles", "rivals"):
        given = texts.get(key, ORGANISM)
        if kind == "hf" and given == ORGANISM:
            yield Mistake(("texts", key), "`organism` needs model.kind organism; name a file")
        named = {"file", "train", "test"} & {*(_mapping(given) or {"file": given})}
        if kind == ORGANISM and given != ORGANISM and named:
            yield Mistake(("texts", key), "must be `organism` where model.kind is organism")
    for key in ("train_rivals", "test_rivals"):
        if "self" in _sequence(texts, key):
            yield Mistake(("texts", key), "`self` is the model under study, not a rival")


def _world(data: Mapping[str, Any]) -> Iterator[Mistake]:
    """The organism's world has two rivals and so many articles."""
    if _mapping(data, "model").get("kind") != ORGANISM:
        return
    texts, world = _mapping(data, "texts"), _mapping(data, "model", "world")
    for key in ("train_rivals", "test_rivals"):
        for name in _sequence(texts, key):
            if name not in AUTHORS and name != "self":
                text = f"the organism has no rival {name!r}{nearest(str(name), AUTHORS[1:])}"
                yield Mistake(("texts", key), text)
    articles = world.get("articles", WorldSettings().articles)
    if not isinstance(articles, int):
        return
    tests = articles // TEST_EVERY
    for key, most in (("train_articles", articles - tests), ("test_articles", tests)):
        wanted = texts.get(key)
        if isinstance(wanted, int) and wanted > most:
            text = f"{wanted}: a world with model.world.articles {articles} has {most} of them"
            yield Mistake(("texts", key), text)


def _resources(data: Mapping[str, Any]) -> Iterator[Mistake]:
    for name in _mapping(data, "resources"):
        if name not in RULES_WITH_RESOURCES:
            text = f"no resources can be set for this{nearest(name, RULES_WITH_RESOURCES)}"
            yield Mistake(("resources", name), text)
