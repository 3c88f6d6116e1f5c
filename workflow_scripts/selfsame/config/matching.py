"""What a control stage takes from the stage that it `matches`."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from selfsame.config.kinds import Kinds
from selfsame.config.messages import Mistake
from selfsame.training.settings import FinetuningSettings

TAKEN = ("rows", "author")


def fill_matches(data: Mapping[str, Any], kinds: Kinds) -> dict[str, Any]:
    """The config's plain data with each control's missing finetuning and data keys filled in.

    Whole `finetuning`, and of `data` the keys in TAKEN that the control's kind knows. What a
    control gives itself stays: whether it is equal is checked with the other references.
    """
    stages = data.get("stages")
    if not isinstance(stages, Mapping):
        return dict(data)
    filled = {name: _filled(stage, stages, kinds) for name, stage in stages.items()}
    return {**data, "stages": filled}


def _filled(stage: Any, stages: Mapping[str, Any], kinds: Kinds) -> Any:
    target = stages.get(_text(stage, "matches"))
    if not isinstance(stage, Mapping) or not isinstance(target, Mapping) or target is stage:
        return stage
    filled = dict(stage)
    if "finetuning" in target:
        filled["finetuning"] = _over(_finetuning(target), stage.get("finetuning", {}))
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


def without_copies(mistakes: list[Mistake], data: Mapping[str, Any], given: Any) -> list[Mistake]:
    """The mistakes less those that a control shows only because it took them from its stage.

    `data` is the config as filled, `given(path)` says whether the user wrote the key.
    """
    known = {(mistake.path, mistake.text) for mistake in mistakes}
    return [
        mistake
        for mistake in mistakes
        if given(mistake.path) or (_source(mistake.path, data), mistake.text) not in known
    ]


def _source(path: tuple[str | int, ...], data: Mapping[str, Any]) -> tuple[str | int, ...]:
    if len(path) < 3 or path[0] != "stages":
        return ()
    return ("stages", _text(data["stages"][path[1]], "matches"), *path[2:])
