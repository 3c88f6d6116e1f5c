"""What a control stage takes from the stage that it `matches`."""

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from selfsame.config.jsonschema import child
from selfsame.config.kinds import Kinds
from selfsame.config.messages import KeyPath, Mistake
from selfsame.training.settings import FinetuningSettings

TAKEN = ("rows", "author", "inoculation")


def fill_matches(data: Mapping[str, Any], kinds: Kinds) -> dict[str, Any]:
    """The config's plain data with each control's missing finetuning and data keys filled in.

    Whole `finetuning`, `interleave` and `system_prompt`, and of `data` the keys in TAKEN that the
    control's kind knows. What a control gives itself stays: whether it may differ is checked with
    the other references. A control of a control takes what that one has after taking its own.
    """
    stages = data.get("stages")
    if not isinstance(stages, Mapping):
        return dict(data)
    return {**data, "stages": {name: _filled(name, stages, kinds, ()) for name in stages}}


def _filled(name: str, stages: Mapping[str, Any], kinds: Kinds, before: tuple[str, ...]) -> Any:
    """A stage as filled; before: the controls that ask for it, where a circle would begin anew."""
    stage, matched = stages.get(name), _text(stages.get(name), "matches")
    if not isinstance(stage, Mapping) or matched in (*before, name):
        return stage
    target = _filled(matched, stages, kinds, (*before, name))
    if not isinstance(target, Mapping):
        return stage
    filled = dict(stage)
    if "finetuning" in target:
        filled["finetuning"] = _over(_finetuning(target), stage.get("finetuning", {}))
    if "interleave" in target:
        filled["interleave"] = _over(target["interleave"], stage.get("interleave", {}))
    if "system_prompt" in target:
        filled.setdefault("system_prompt", target["system_prompt"])
    taken = _taken(target, _text(stage, "kind"), kinds)
    if taken:
        filled["data"] = _over(taken, stage.get("data", {}))
    return filled


def _text(stage: Any, key: str) -> str:
    value = stage.get(key) if isinstance(stage, Mapping) else None
    return value if isinstance(value, str) else ""


def _over(base: Any, own: Any) -> Any:
    return {**base, **own} if isinstance(base, Mapping) and isinstance(own, Mapping) else own


def _finetuning(stage: Mapping[str, Any]) -> Any:
    given = stage["finetuning"]
    return {**_defaults(FinetuningSettings), **given} if isinstance(given, Mapping) else given


def _taken(target: Mapping[str, Any], kind: str, kinds: Kinds) -> dict[str, Any]:
    theirs, own = kinds.stages.get(_text(target, "kind")), kinds.stages.get(kind)
    given = target.get("data", {})
    if theirs is None or own is None or not isinstance(given, Mapping):
        return {}
    values = _defaults(theirs.options) | dict(given)
    return {key: values[key] for key in TAKEN if key in values and key in own.options.model_fields}


def _defaults(model: type[BaseModel]) -> dict[str, Any]:
    """The default of each optional key, as plain data."""
    fields = {name: field for name, field in model.model_fields.items() if not field.is_required()}
    values = {name: field.get_default(call_default_factory=True) for name, field in fields.items()}
    plain: dict[str, Any] = to_jsonable_python(values)
    return plain


def without_echoes(
    mistakes: list[Mistake], data: Mapping[str, Any], given: Collection[KeyPath]
) -> list[Mistake]:
    """The mistakes less those that only follow from another one.

    These are what a control shows because it took it from its stage, and the absence of what it
    would have taken if it named a stage. `data` is the config as filled, `given` has the keys that
    the user wrote.
    """
    known = {(mistake.path, mistake.text) for mistake in mistakes}
    paths = {mistake.path for mistake in mistakes}
    return [
        mistake
        for mistake in mistakes
        if not (_is_copied(mistake.path, data, given) and (_source(mistake, data)) in known)
        and not (mistake.path[2:] == ("finetuning",) and (*mistake.path[:2], "matches") in paths)
    ]


def _is_copied(path: KeyPath, data: Mapping[str, Any], given: Collection[KeyPath]) -> bool:
    """Some key on the way to `path` is there though the user did not write it."""
    value: Any = data
    for end, key in enumerate(path, start=1):
        value = child(value, key)
        if value is not None and path[:end] not in given:
            return True
    return False


def _source(mistake: Mistake, data: Mapping[str, Any]) -> tuple[KeyPath, str]:
    """The same mistake at the stage that a stage matches."""
    stage = child(child(data, "stages"), mistake.path[1]) if len(mistake.path) > 1 else None
    return ("stages", _text(stage, "matches"), *mistake.path[2:]), mistake.text
